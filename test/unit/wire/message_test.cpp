// Headers, Cursor and Message: what is written is read back, and nothing is read past the end.
#include "howdah/wire/message.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "howdah/wire/appender.h"

using namespace howdah;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

// Body of the only message in `buffer`; checks the header on the way.
std::string body_of(const base::Buffer& buffer, char type) {
  wire::Header header{};
  REQUIRE(wire::read_header(buffer.view(), 1 << 30, header) == wire::HeaderState::Ok);
  CHECK(header.type == type);
  CHECK(header.body == buffer.size() - wire::kHeaderSize);
  return std::string(buffer.view().substr(wire::kHeaderSize));
}

}  // namespace

TEST_CASE("a header is incomplete at each of its first four bytes") {
  std::string bytes = "Q\0\0\0\x04"s;
  wire::Header header{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK(wire::read_header(bytes.substr(0, i), 100, header) == wire::HeaderState::Incomplete);
  }
  CHECK(wire::read_header(bytes, 100, header) == wire::HeaderState::Ok);
  CHECK(header.type == 'Q');
  CHECK(header.body == 0);
}

TEST_CASE("a header whose length is below 4 or above the limit is malformed") {
  wire::Header header{};
  for (std::string length :
       {"\0\0\0\0"s, "\0\0\0\3"s, "\xff\xff\xff\xff"s, "\x80\0\0\0"s, "\0\0\0\x65"s}) {
    CHECK(wire::read_header("Q" + length, 100, header) == wire::HeaderState::Malformed);
  }
  CHECK(wire::read_header("Q\0\0\0\x64"s, 100, header) == wire::HeaderState::Ok);
  CHECK(header.body == 96);
}

TEST_CASE("integers are big endian and keep their sign") {
  wire::Cursor cursor("\xff\xfe\x80\xff\xff\xff\xfe\x01\x02\x03\x04"sv);
  CHECK(cursor.u8() == 255);
  CHECK(cursor.i16() == -384);
  CHECK(cursor.i32() == -2);
  CHECK(cursor.i32() == 0x01020304);
  CHECK(cursor.done());
}

TEST_CASE("what Message writes Cursor reads back, and no strict prefix reads whole") {
  std::mt19937 random(20260715);
  for (int round = 0; round < 300; ++round) {
    struct Field {
      int kind;
      std::int32_t number;
      std::string text;
    };
    std::vector<Field> fields;
    base::Buffer buffer;
    {
      wire::Message message(buffer, 'x');
      for (auto count = random() % 6 + 1; count; --count) {
        Field field{static_cast<int>(random() % 5), static_cast<std::int32_t>(random()), {}};
        for (auto size = random() % 20; size; --size) {
          field.text += static_cast<char>(random() % 255 + 1);
        }
        switch (field.kind) {
          case 0:
            message.u8(static_cast<std::uint8_t>(field.number));
            break;
          case 1:
            message.i16(static_cast<std::int16_t>(field.number));
            break;
          case 2:
            message.i32(field.number);
            break;
          case 3:
            message.cstring(field.text);
            break;
          default:
            message.bytes(field.text);
            break;
        }
        fields.push_back(std::move(field));
      }
    }
    std::string body = body_of(buffer, 'x');
    auto read = [&](std::string_view bytes, bool check) {
      wire::Cursor cursor(bytes);
      for (const Field& field : fields) {
        switch (field.kind) {
          case 0: {
            auto got = cursor.u8();
            if (check) CHECK(got == static_cast<std::uint8_t>(field.number));
            break;
          }
          case 1: {
            auto got = cursor.i16();
            if (check) CHECK(got == static_cast<std::int16_t>(field.number));
            break;
          }
          case 2: {
            auto got = cursor.i32();
            if (check) CHECK(got == field.number);
            break;
          }
          case 3: {
            auto got = cursor.cstring();
            if (check) CHECK(got == field.text);
            break;
          }
          default: {
            auto got = cursor.bytes(field.text.size());
            if (check) CHECK(got == field.text);
            break;
          }
        }
      }
      return cursor.done();
    };
    CHECK(read(body, true));
    for (std::size_t cut = 0; cut < body.size(); ++cut) {
      // A copy of exact size, so that a sanitizer sees a read past the end.
      std::vector<char> exact(body.begin(), body.begin() + static_cast<long>(cut));
      CHECK_FALSE(read({exact.data(), exact.size()}, false));
    }
  }
}

TEST_CASE("a Cursor that went bad stays bad and gives only zeros and empty views") {
  wire::Cursor cursor("\x01\x02\x03tail\0"sv);
  CHECK(cursor.bytes(static_cast<std::size_t>(-1)).empty());
  CHECK_FALSE(cursor.ok());
  CHECK(cursor.u8() == 0);
  CHECK(cursor.i16() == 0);
  CHECK(cursor.i32() == 0);
  CHECK(cursor.cstring().empty());
  CHECK(cursor.bytes(1).empty());
  CHECK(cursor.rest().empty());
  CHECK_FALSE(cursor.ok());
  CHECK_FALSE(cursor.done());
}

TEST_CASE("lengths at and over the edge: exactly what is left is given, one more is refused") {
  for (std::size_t over : {std::size_t{0}, std::size_t{1}, std::size_t{0x7fffffff},
                           std::size_t{0xffffffff}, ~std::size_t{0} - 4}) {
    wire::Cursor cursor("abcd");
    CHECK(cursor.bytes(4 + over) == (over ? "" : "abcd"));
    CHECK(cursor.ok() == (over == 0));
  }
}

TEST_CASE("a cstring without NUL is refused, an empty one is not") {
  wire::Cursor without("abc");
  CHECK(without.cstring().empty());
  CHECK_FALSE(without.ok());
  wire::Cursor empty("\0"sv);
  CHECK(empty.cstring().empty());
  CHECK(empty.done());
  wire::Cursor nothing("");
  nothing.cstring();
  CHECK_FALSE(nothing.ok());
}

TEST_CASE("a NUL inside a text cannot add a field") {
  base::Buffer buffer;
  wire::append_parameter_status(buffer, "name\0evil"s, "a\0b"s);
  CHECK(body_of(buffer, 'S') == "name\0a\0"s);
}

TEST_CASE("messages follow each other, each with its own length, also after bytes were consumed") {
  base::Buffer buffer;
  buffer.append("junk");
  wire::append_ready_for_query(buffer, wire::TxStatus::Failed);
  buffer.consume(4);
  wire::append_query(buffer, "select 1");
  wire::append_terminate(buffer);
  CHECK(buffer.view() ==
        "Z\0\0\0\x05"
        "EQ\0\0\0\x0dselect 1\0X\0\0\0\x04"s);
}

TEST_CASE("the pooler's own messages have the documented layout") {
  base::Buffer buffer;
  auto taken = [&] {
    std::string out(buffer.view());
    buffer.clear();
    return out;
  };
  wire::append_backend_key_data(buffer, "12345678");
  CHECK(taken() ==
        "K\0\0\0\x0c"
        "12345678"s);
  wire::append_auth(buffer, wire::kAuthMd5, "salt");
  CHECK(taken() == "R\0\0\0\x0c\0\0\0\x05salt"s);
  wire::append_auth(buffer, wire::kAuthOk);
  CHECK(taken() == "R\0\0\0\x08\0\0\0\0"s);
  wire::append_command_complete(buffer, "SELECT 1");
  CHECK(taken() == "C\0\0\0\x0dSELECT 1\0"s);
  wire::append_cancel_request(buffer, "abcdefgh");
  CHECK(taken() ==
        "\0\0\0\x10\x04\xd2\x16\x2e"
        "abcdefgh"s);
}

TEST_CASE("a row description tells name, type and size of each column") {
  base::Buffer buffer;
  const wire::Column columns[] = {{"a", 25}, {"b", 20}, {"c", 23}, {"d", 1700}};
  wire::append_row_description(buffer, columns, 4);
  std::string body = body_of(buffer, 'T');
  wire::Cursor cursor(body);
  CHECK(cursor.i16() == 4);
  const std::int16_t sizes[] = {-1, 8, 4, -1};
  for (int i = 0; i < 4; ++i) {
    CHECK(cursor.cstring() == columns[i].name);
    CHECK(cursor.i32() == 0);
    CHECK(cursor.i16() == 0);
    CHECK(cursor.i32() == columns[i].type_oid);
    CHECK(cursor.i16() == sizes[i]);
    CHECK(cursor.i32() == -1);
    CHECK(cursor.i16() == 0);
  }
  CHECK(cursor.done());
}
