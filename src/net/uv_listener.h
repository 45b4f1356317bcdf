// The real Listener: accepts in batches on a loop, and rests when descriptors run out.
#pragma once

#include <sys/types.h>

#include "howdah/net/uv_reactor.h"
#include "net/handle.h"

namespace howdah::net {

// A bound unix socket's file: its path and what it was when we made it.
struct SocketFile {
  std::string path;  // empty = none
  dev_t device = 0;
  ino_t inode = 0;
};

class UvListener final : public Listener {
 public:
  UvListener(int fd, Address address, SocketFile file)
      : fd_(fd), address_(std::move(address)), file_(std::move(file)) {}
  ~UvListener() override;

  void start(UvReactor& reactor, Accepted done, std::function<void(int error)> failed) override;
  void pause() override;
  void resume() override;
  void retune(const Options& options) override;
  const Address& address() const override { return address_; }
  int fd() const override { return fd_; }

 private:
  // Who is told. Shared with the batch that runs, as both the listener and these functions may be
  // destroyed or replaced by what they call.
  struct Told {
    Accepted done;
    std::function<void(int)> failed;
    bool current = true;
  };

  void accept_batch();
  void rest(int error);
  void watch();

  const int fd_;
  const Address address_;
  const SocketFile file_;
  std::shared_ptr<Told> told_;
  Handle<uv_poll_t> poll_;
  Handle<uv_timer_t> timer_;
  bool paused_ = false;
  bool resting_ = false;
};

}  // namespace howdah::net
