// Takes the rows out of the answer to a query of the pooler, while the answer passes in any pieces
// (PostgreSQL 15 manual, 55.7: 'D' length columns(2), then each column's length(4, -1 = NULL) and bytes).
// Notifications on the way are kept as they are: they are not ours but the client's whose server it is.
// Bounded: past kMaxBytes, or after a row that is none, it keeps no more rows and says overflowed(). What
// it keeps may be a secret and is wiped. Owner: the server session.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::session {

class RowReader {
 public:
  using Row = std::vector<std::optional<std::string>>;
  static constexpr std::size_t kMaxBytes = 256 * 1024;

  RowReader() = default;
  RowReader(const RowReader&) = delete;
  ~RowReader();
  void take(std::string_view bytes);
  const std::vector<Row>& rows() const { return rows_; }
  const std::string& notifications() const { return notifications_; }  // whole messages
  bool overflowed() const { return overflowed_; }

 private:
  void on_message(std::string_view message);
  std::string held_;         // a wanted message that is not all there, or a part of a header
  std::size_t skip_ = 0;     // left of a message that nobody wants
  std::size_t kept_ = 0;
  std::vector<Row> rows_;
  std::string notifications_;
  bool overflowed_ = false;
};

}  // namespace howdah::session
