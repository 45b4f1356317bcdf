// Decodes an answer of the console: table, tag, error, notice. `valid` says that the bytes are
// whole messages in a legal order and end with one ReadyForQuery('I').
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "howdah/wire/error.h"
#include "howdah/wire/message.h"

namespace howdah::test {

struct ConsoleAnswer {
  bool valid = false;
  std::vector<std::pair<std::string, int>> columns;  // name, oid
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string tag;
  bool empty_query = false;
  struct Text {
    std::string severity, code, message, detail;
  };
  std::optional<Text> error, notice;
  std::vector<std::pair<std::string, std::string>> parameters;
  std::string key;

  std::vector<std::string> column_names() const {
    std::vector<std::string> names;
    for (const auto& [name, oid] : columns) names.push_back(name);
    return names;
  }
  // The cell of a row by column name; "<null>" and "<no such column>" where there is none.
  std::string cell(std::size_t row, std::string_view column) const {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].first == column && row < rows.size()) return rows[row][i].value_or("<null>");
    }
    return "<no such column>";
  }
  // The first row whose first cell is `key`, or rows.size().
  std::size_t row_of(std::string_view key_cell) const {
    std::size_t row = 0;
    while (row < rows.size() && rows[row][0] != key_cell) ++row;
    return row;
  }
};

inline ConsoleAnswer::Text read_text(std::string_view body) {
  wire::ErrorFields fields = wire::read_error(body);
  return {std::string(fields.severity), std::string(fields.code), std::string(fields.message),
          std::string(fields.detail)};
}

// One message after another; false on anything out of order or malformed.
inline bool read_message(char type, std::string_view body, ConsoleAnswer& answer, bool& complete) {
  wire::Cursor cursor(body);
  bool outcome = answer.error || answer.empty_query || !answer.tag.empty();
  switch (type) {
    case wire::be::kRowDescription: {
      if (!answer.columns.empty() || outcome) return false;
      for (int left = cursor.i16(); left > 0; --left) {
        std::string name(cursor.cstring());
        if (cursor.i32() != 0 || cursor.i16() != 0) return false;  // no table, no column number
        int oid = cursor.i32();
        cursor.bytes(6);                      // type length and modifier
        if (cursor.i16() != 0) return false;  // text format
        answer.columns.emplace_back(std::move(name), oid);
      }
      return cursor.done() && !answer.columns.empty();
    }
    case wire::be::kDataRow: {
      if (outcome || cursor.i16() != static_cast<int>(answer.columns.size())) return false;
      auto& row = answer.rows.emplace_back();
      for (std::size_t i = 0; i < answer.columns.size(); ++i) {
        int length = cursor.i32();
        if (length < -1) return false;
        if (length == -1) {
          row.push_back(std::nullopt);
        } else {
          row.emplace_back(std::string(cursor.bytes(static_cast<std::size_t>(length))));
        }
      }
      return cursor.done();
    }
    case wire::be::kCommandComplete:
      if (outcome) return false;
      answer.tag = cursor.cstring();
      return cursor.done() && !answer.tag.empty();
    case wire::be::kEmptyQuery:
      if (outcome) return false;
      answer.empty_query = true;
      return cursor.done();
    case wire::be::kErrorResponse:
      if (outcome) return false;
      answer.error = read_text(body);
      return true;
    case wire::be::kNoticeResponse:
      answer.notice = read_text(body);
      return true;
    case wire::be::kParameterStatus: {
      std::string name(cursor.cstring());
      answer.parameters.emplace_back(std::move(name), std::string(cursor.cstring()));
      return cursor.done();
    }
    case wire::be::kBackendKeyData:
      answer.key = body;
      return true;
    case wire::be::kReadyForQuery:
      complete = outcome || !answer.key.empty();
      return complete && body == "I";
    default:
      return false;
  }
}

inline ConsoleAnswer read_answer(std::string_view bytes) {
  ConsoleAnswer answer;
  bool complete = false;
  while (!bytes.empty()) {
    wire::Header header{};
    if (complete) return answer;  // something after ReadyForQuery
    if (wire::read_header(bytes, 1u << 30, header) != wire::HeaderState::Ok) return answer;
    bytes.remove_prefix(wire::kHeaderSize);
    if (bytes.size() < header.body) return answer;
    if (!read_message(header.type, bytes.substr(0, header.body), answer, complete)) return answer;
    bytes.remove_prefix(header.body);
  }
  answer.valid = complete;
  return answer;
}

}  // namespace howdah::test
