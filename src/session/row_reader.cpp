// Rows of a query of the pooler; see the header.
#include "howdah/session/row_reader.h"

#include <algorithm>
#include <utility>

#include "howdah/base/secret.h"
#include "howdah/wire/message.h"

namespace howdah::session {

using wire::kHeaderSize;

RowReader::~RowReader() {
  base::wipe(held_.data(), held_.size());
  for (Row& row : rows_) {
    for (auto& value : row) {
      if (value) base::wipe(value->data(), value->size());
    }
  }
}

void RowReader::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (skip_ > 0) {
      std::size_t part = std::min(skip_, bytes.size());
      bytes.remove_prefix(part);
      skip_ -= part;
      continue;
    }
    if (held_.size() < kHeaderSize) {
      std::size_t part = std::min(kHeaderSize - held_.size(), bytes.size());
      held_.append(bytes.substr(0, part));
      bytes.remove_prefix(part);
      if (held_.size() < kHeaderSize) return;
    }
    wire::Header header;
    // The stream has judged the lengths before us.
    if (wire::read_header(held_, UINT32_MAX, header) != wire::HeaderState::Ok) {
      overflowed_ = true;
      return;
    }
    bool wanted = (header.type == wire::be::kDataRow && !overflowed_) ||
                  header.type == wire::be::kNotificationResponse;
    if (wanted && (kept_ > kMaxBytes || header.body > kMaxBytes - kept_)) {
      overflowed_ = true;
      wanted = false;
    }
    if (!wanted) {
      held_.clear();
      skip_ = header.body;
      continue;
    }
    held_.reserve(kHeaderSize + header.body);  // growing would leave copies behind
    std::size_t part = std::min(kHeaderSize + header.body - held_.size(), bytes.size());
    held_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (held_.size() < kHeaderSize + header.body) return;
    kept_ += header.body + sizeof(Row);
    on_message(held_);
    base::wipe(held_.data(), held_.size());
    held_.clear();
  }
}

void RowReader::on_message(std::string_view message) {
  if (message[0] == wire::be::kNotificationResponse) {
    notifications_.append(message);
    return;
  }
  wire::Cursor cursor(message.substr(kHeaderSize));
  Row& row = rows_.emplace_back();
  int columns = cursor.i16();
  bool good = columns >= 0;
  for (int i = 0; i < columns && good && cursor.ok(); ++i) {
    std::int32_t size = cursor.i32();
    good = size >= -1;
    if (size < 0) {
      row.emplace_back();
    } else {
      row.emplace_back(std::in_place, cursor.bytes(static_cast<std::size_t>(size)));
    }
  }
  if (good && cursor.done()) return;
  rows_.pop_back();
  overflowed_ = true;
}

}  // namespace howdah::session
