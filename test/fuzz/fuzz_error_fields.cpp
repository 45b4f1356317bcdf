// ErrorResponse bodies of any shape, and headers; fields lie inside the body.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "howdah/wire/error.h"
#include "howdah/wire/message.h"

using namespace howdah;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view body(reinterpret_cast<const char*>(data), size);
  wire::Header header{};
  if (wire::read_header(body, 1 << 20, header) == wire::HeaderState::Ok && header.body > 1 << 20) {
    std::abort();
  }
  wire::ErrorFields fields = wire::read_error(body);
  for (std::string_view field :
       {fields.severity, fields.code, fields.message, fields.detail, fields.hint}) {
    if (field.empty()) continue;
    if (field.data() < body.data() || field.data() + field.size() >= body.data() + size) {
      std::abort();
    }
  }
  base::Buffer out;
  wire::append_error(out,
                     {fields.severity, fields.code, fields.message, fields.detail, fields.hint});
  wire::ErrorFields again = wire::read_error(out.view().substr(wire::kHeaderSize));
  if (again.message != fields.message || again.fatal() != fields.fatal()) std::abort();
  return 0;
}
