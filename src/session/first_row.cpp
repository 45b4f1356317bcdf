// The first DataRow of an answer; see first_row.h.
#include "session/first_row.h"

#include <algorithm>

#include "howdah/wire/message.h"

namespace howdah::session {

void FirstRow::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (left_ > 0) {
      std::string_view piece = bytes.substr(0, std::min<std::size_t>(left_, bytes.size()));
      if (keep_) body_.append(piece);  // has its whole size reserved: no copy is left behind
      left_ -= static_cast<std::uint32_t>(piece.size());
      bytes.remove_prefix(piece.size());
      continue;
    }
    std::size_t part = std::min(sizeof header_ - have_, bytes.size());
    std::copy_n(bytes.data(), part, header_ + have_);
    have_ += part;
    bytes.remove_prefix(part);
    if (have_ < sizeof header_) return;
    have_ = 0;
    wire::Header header;
    if (wire::read_header({header_, sizeof header_}, UINT32_MAX, header) !=
        wire::HeaderState::Ok) {
      return;  // the relay has refused it already
    }
    left_ = header.body;
    keep_ = false;
    if (header.type != wire::be::kDataRow) continue;
    if (++rows_ > 1) continue;
    too_long_ = header.body > kMaxHeld;
    keep_ = !too_long_;
    if (keep_) body_.reserve(header.body);
  }
}

Answer FirstRow::answer() const {
  Answer answer;
  answer.rows = rows_;
  if (rows_ == 0) return answer;
  if (too_long_) {
    answer.broken = true;
    return answer;
  }
  wire::Cursor cursor(body_);
  std::int16_t count = cursor.i16();
  if (count < 0) answer.broken = true;
  for (std::int16_t i = 0; i < count && cursor.ok(); ++i) {
    std::int32_t size = cursor.i32();
    if (size == -1) {
      answer.columns.emplace_back();
    } else if (size < 0) {
      answer.broken = true;
      break;
    } else {
      answer.columns.emplace_back(base::Secret(cursor.bytes(static_cast<std::size_t>(size))));
    }
  }
  answer.broken = answer.broken || !cursor.done();
  if (answer.broken) answer.columns.clear();
  return answer;
}

}  // namespace howdah::session
