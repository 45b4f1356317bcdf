// Rows are read whatever the pieces they come in.
#include "howdah/session/row_reader.h"

#include <doctest/doctest.h>

#include "howdah/wire/appender.h"

using namespace howdah;
using session::RowReader;

namespace {

std::string conversation() {
  base::Buffer bytes;
  wire::append_parameter_status(bytes, "a", "b");
  wire::Message(bytes, wire::be::kDataRow).i16(2).i32(1).bytes("x").i32(-1);
  wire::Message(bytes, wire::be::kNotificationResponse).i32(7).cstring("chan").cstring("hello");
  wire::Message(bytes, wire::be::kDataRow).i16(1).i32(0);
  wire::append_command_complete(bytes, "SELECT 2");
  wire::append_ready_for_query(bytes, wire::TxStatus::Idle);
  return std::string(bytes.view());
}

void check(const RowReader& reader) {
  CHECK_FALSE(reader.overflowed());
  REQUIRE(reader.rows().size() == 2);
  CHECK(reader.rows()[0] == RowReader::Row{"x", std::nullopt});
  CHECK(reader.rows()[1] == RowReader::Row{""});
  CHECK(reader.notifications().size() == 5 + 4 + 5 + 6);
  CHECK(reader.notifications()[0] == 'A');
}

}  // namespace

TEST_CASE("rows and notifications are kept, whole and byte by byte") {
  std::string bytes = conversation();
  RowReader whole;
  whole.take(bytes);
  check(whole);
  RowReader slow;
  for (char c : bytes) slow.take({&c, 1});
  check(slow);
}

TEST_CASE("more than its limit is not kept, and said") {
  base::Buffer bytes;
  std::string big(RowReader::kMaxBytes, 'x');
  wire::Message(bytes, wire::be::kDataRow).i16(1).i32(static_cast<std::int32_t>(big.size())).bytes(big);
  wire::Message(bytes, wire::be::kDataRow).i16(1).i32(1).bytes("y");
  RowReader reader;
  reader.take(bytes.view());
  CHECK(reader.overflowed());
  CHECK(reader.rows().empty());  // a later row never poses as the first

  RowReader many;
  base::Buffer tiny;
  wire::Message(tiny, wire::be::kDataRow).i16(0);
  for (int i = 0; i < 100000; ++i) many.take(tiny.view());
  CHECK(many.overflowed());
  CHECK(many.rows().size() <= RowReader::kMaxBytes / sizeof(RowReader::Row) + 1);
}

TEST_CASE("a row that is no row is not taken for one") {
  for (std::string body : {std::string(""), std::string("\0\2", 2), std::string("\0\1\0\0\0\5x", 7),
                           std::string("\0\1\xff\xff\xff\xff!", 7), std::string("\xff\xff", 2),
                           std::string("\0\1\x80\0\0\0", 6)}) {
    base::Buffer bytes;
    wire::Message(bytes, wire::be::kDataRow).bytes(body);
    wire::Message(bytes, wire::be::kDataRow).i16(1).i32(1).bytes("y");
    RowReader reader;
    reader.take(bytes.view());
    CHECK(reader.overflowed());
    CHECK(reader.rows().empty());
  }
}
