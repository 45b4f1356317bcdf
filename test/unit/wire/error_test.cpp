// ErrorResponse and NoticeResponse both ways.
#include "howdah/wire/error.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace howdah;
using namespace std::string_literals;
using namespace std::string_view_literals;

TEST_CASE("an error has S, V, C, M, and D and H only when there is something to say") {
  base::Buffer buffer;
  wire::append_error(buffer, {"FATAL", "28P01", "no"});
  CHECK(buffer.view() == "E\0\0\0\x1eSFATAL\0VFATAL\0C28P01\0Mno\0\0"s);
  buffer.clear();
  wire::append_notice(buffer, {"WARNING", "01000", "m", "d", "h"});
  CHECK(buffer.view() == "N\0\0\0\x27SWARNING\0VWARNING\0C01000\0Mm\0Dd\0Hh\0\0"s);
}

TEST_CASE("an error without SQLSTATE is sent as an internal error") {
  base::Buffer buffer;
  wire::append_error(buffer, {.message = "m"});
  CHECK(wire::read_error(buffer.view().substr(5)).code == "XX000");
}

TEST_CASE("what append_error writes read_error reads back") {
  base::Buffer buffer;
  wire::append_error(buffer, {"ERROR", "57014", "canceling", "because", "wait"});
  wire::ErrorFields fields = wire::read_error(buffer.view().substr(5));
  CHECK(fields.severity == "ERROR");
  CHECK(fields.code == "57014");
  CHECK(fields.message == "canceling");
  CHECK(fields.detail == "because");
  CHECK(fields.hint == "wait");
  CHECK_FALSE(fields.fatal());
}

TEST_CASE("the untranslated severity wins wherever it stands") {
  CHECK(wire::read_error("SFATALE\0VFATAL\0\0"sv).fatal());
  CHECK(wire::read_error("VFATAL\0SFATALE\0\0"sv).fatal());
  CHECK(wire::read_error("SFATAL\0\0"sv).fatal());
  CHECK(wire::read_error("SPANIC\0\0"sv).fatal());
  CHECK_FALSE(wire::read_error("SFATAL\0VERROR\0\0"sv).fatal());
}

TEST_CASE("every field of an error is optional") {
  for (std::string body : {""s, "\0"s, "C57P01\0\0"s, "Mx\0"s, "M"s, "Z??\0"s}) {
    wire::ErrorFields fields = wire::read_error(body);
    CHECK(fields.severity.empty());
    CHECK_FALSE(fields.fatal());
  }
  CHECK(wire::read_error("C57P01\0\0"sv).code == "57P01");
  CHECK(wire::read_error("Mx\0"sv).message == "x");
}

TEST_CASE("an error cut at any byte gives only fields that came whole") {
  std::string body = "SFATAL\0VFATAL\0C57P01\0Mgoing away\0Dd\0Hh\0Fpostgres.c\0\0"s;
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    std::vector<char> exact(body.begin(), body.begin() + static_cast<long>(cut));
    wire::ErrorFields fields = wire::read_error({exact.data(), exact.size()});
    CHECK((fields.severity.empty() || fields.severity == "FATAL"));
    CHECK((fields.code.empty() || fields.code == "57P01"));
    CHECK((fields.message.empty() || fields.message == "going away"));
    CHECK(fields.code.empty() == (cut < 21));
  }
}

TEST_CASE("nothing after the terminator is read") {
  CHECK(wire::read_error("Ma\0\0Mb\0"sv).message == "a");
}
