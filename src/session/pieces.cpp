// What is to be sent in one call; see the header.
#include "howdah/session/pieces.h"

#include <algorithm>

namespace howdah::session {

void Pieces::view(std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  if (!parts_.empty() && parts_.back().data &&
      parts_.back().data + parts_.back().size == bytes.data()) {
    parts_.back().size += bytes.size();
    return;
  }
  parts_.push_back({bytes.data(), 0, bytes.size()});
}

void Pieces::copy(std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  std::size_t at = made_.size();
  made_.append(bytes);
  if (!parts_.empty() && !parts_.back().data) {
    parts_.back().size += bytes.size();  // made bytes stand one behind the other
    return;
  }
  parts_.push_back({nullptr, at, bytes.size()});
}

void Pieces::drop_tail(std::size_t count) {
  while (count > 0 && !parts_.empty()) {
    Part& last = parts_.back();
    std::size_t part = std::min(count, last.size);
    if (!last.data) made_.resize(made_.size() - part);
    last.size -= part;
    size_ -= part;
    count -= part;
    if (last.size == 0) parts_.pop_back();
  }
}

std::span<const std::string_view> Pieces::all() {
  views_.clear();
  for (const Part& part : parts_) {
    views_.emplace_back(part.data ? part.data : made_.data() + part.at, part.size);
  }
  return views_;
}

void Pieces::clear() {
  parts_.clear();
  made_.clear();
  size_ = 0;
}

}  // namespace howdah::session
