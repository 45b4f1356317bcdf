// Holders of libuv handles. libuv lets go of a handle only in its close callback, so the memory is
// on the heap and outlives the holder: close() (or the destructor) may be called at any time, also
// inside the handle's own callback, and no callback comes after it.
//
// `uv()->data` points to the holder, `owner` to the object the holder is a member of.
#pragma once

#include <uv.h>

namespace howdah::net {

class HandleBase {
 public:
  HandleBase(const HandleBase&) = delete;
  HandleBase& operator=(const HandleBase&) = delete;
  void close() {
    if (!handle_) return;
    handle_->data = nullptr;
    uv_close(handle_, free_);
    handle_ = nullptr;
  }
  bool open() const { return handle_ != nullptr; }

 protected:
  explicit HandleBase(uv_close_cb free) : free_(free) {}
  ~HandleBase() { close(); }
  uv_handle_t* handle_ = nullptr;

 private:
  const uv_close_cb free_;
};

template <typename T>
class Handle : public HandleBase {
 public:
  Handle() : HandleBase([](uv_handle_t* handle) { delete reinterpret_cast<T*>(handle); }) {}

  // `init` is the uv_x_init call; gives what it gives (0, or a negative UV_E*). A handle held
  // before is closed.
  template <typename Init>
  int make(void* the_owner, Init init) {
    close();
    T* fresh = new T;
    int status = init(fresh);
    if (status < 0) {
      delete fresh;
      return status;
    }
    owner = the_owner;
    fresh->data = static_cast<HandleBase*>(this);
    handle_ = reinterpret_cast<uv_handle_t*>(fresh);
    return 0;
  }
  T* uv() const { return reinterpret_cast<T*>(handle_); }
  // The object that owns the holder of `handle`, inside a libuv callback.
  template <typename Owner>
  static Owner& owner_of(const T* handle) {
    auto* holder = static_cast<Handle*>(static_cast<HandleBase*>(handle->data));
    return *static_cast<Owner*>(holder->owner);
  }

  void* owner = nullptr;
};

}  // namespace howdah::net
