#include "route/utf8.h"

#include <cstddef>

namespace howdah::route {

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    auto lead = static_cast<unsigned char>(text[at++]);
    if (lead < 0x80) continue;
    std::size_t more = lead >= 0xf0 && lead < 0xf5 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - at < more) return false;
    auto second = static_cast<unsigned char>(text[at]);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    while (more-- != 0) {
      if ((static_cast<unsigned char>(text[at++]) & 0xc0) != 0x80) return false;
    }
  }
  return true;
}

}  // namespace howdah::route
