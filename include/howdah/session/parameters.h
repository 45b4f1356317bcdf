// Tracked parameters: the settings a client may have changed and that must be in place on whatever
// server runs its next transaction (compat 7.1).
//
// Which ones is fixed for the life of the process: the six standard ones and
// track_extra_parameters. Names compare case-insensitively; a value that was never given is not
// applied. Values are compared, not hashed: a client chooses them, and one that found two of equal hash
// would run with another's.
// Thread: TrackedNames is immutable and shared; Parameters belong to their session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::session {

class TrackedNames {
 public:
  // Places of two that are always there.
  static constexpr std::size_t kClientEncoding = 0, kStandardStrings = 3, kApplicationName = 4;
  explicit TrackedNames(const std::vector<std::string>& extra);
  std::size_t size() const { return names_.size(); }
  const std::string& name(std::size_t index) const { return names_[index]; }
  // The index of a name in any case, or nothing.
  std::optional<std::size_t> find(std::string_view name) const;

 private:
  std::vector<std::string> names_;
};

// An application_name as servers of that server_version keep it: plain ASCII.
std::string clean_name(std::string_view name, std::string_view server_version);
// How a start-up value is reported that servers by themselves report as `default_value`: a boolean has
// many spellings.
std::string as_reported(std::string_view given, std::string_view default_value);

// Copies share their values until one is changed: ten thousand clients with the same ones hold them
// once (join()).
class Parameters {
 public:
  Parameters() = default;  // of no names
  explicit Parameters(std::size_t count)
      : values_(std::make_shared<const std::vector<Value>>(count)) {}

  std::size_t size() const { return values_ ? values_->size() : 0; }
  void set(std::size_t index, std::string_view value);
  // Null when never given.
  const std::string* get(std::size_t index) const {
    const Value& value = (*values_)[index];
    return value.given ? &value.text : nullptr;
  }
  // Shares the values of `other` if they are the same; else `other` becomes a copy of these.
  void join(Parameters& other);
  // Fills what is not given from `defaults`.
  void fill_from(const Parameters& defaults);
  // True when every given value of `wanted` is in place here.
  bool satisfies(const Parameters& wanted) const;
  // `SET a = '...'; SET b = '...'` for what `wanted` has and this has not; empty = nothing.
  std::string changes_to(const Parameters& wanted, const TrackedNames& names) const;

 private:
  struct Value {
    std::string text;
    bool given = false;
    bool operator==(const Value&) const = default;
  };
  std::shared_ptr<const std::vector<Value>> values_;  // immutable
};

}  // namespace howdah::session
