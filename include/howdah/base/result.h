// Errors are values: Result<T> carries either a T or an Error (code and text).
//
// `code` is a SQLSTATE where the error can reach a client, otherwise a short token ("config",
// "io"). `text` is a full sentence for a person: what, where, how to mend it; never a secret.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace howdah::base {

struct Error {
  std::string code;
  std::string text;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : data_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return data_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return std::get<0>(data_); }
  const T& value() const { return std::get<0>(data_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(data_); }

 private:
  std::variant<T, Error> data_;
};

// A call that has nothing to give back but may fail.
struct Done {};
using Status = Result<Done>;

}  // namespace howdah::base
