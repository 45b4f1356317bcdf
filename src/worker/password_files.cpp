// Secrets in files of their own; see the header.
#include "howdah/worker/password_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "howdah/config/loader.h"

namespace howdah::worker {

namespace {
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};
}  // namespace

PasswordFiles::Current PasswordFiles::read(const std::string& path, bool afresh) {
  Current out;
  Seen seen;
  auto known = [&] {  // gives what is kept; true if that is still what is there
    base::Lock lock(mutex_);
    auto found = kept_.find(path);
    if (found == kept_.end()) return false;
    out.secret = found->second.secret;
    out.version = found->second.version;
    return found->second.seen == seen;
  };
  // O_NONBLOCK: a FIFO of that name must not hold up the loop.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (file.get() < 0 || ::fstat(file.get(), &facts) != 0) {
    out.problem = ::strerror(errno);
    (void)known();
    return out;
  }
  seen = {static_cast<std::uint64_t>(facts.st_dev), static_cast<std::uint64_t>(facts.st_ino),
          static_cast<std::uint64_t>(facts.st_size), facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
  if (known() && !afresh) return out;
  char text[config::kMaxPasswordFile + 1];
  std::size_t size = 0;
  bool failed = !S_ISREG(facts.st_mode);
  while (!failed && size < sizeof text) {
    ssize_t got = ::read(file.get(), text + size, sizeof text - size);
    if (got < 0 && errno == EINTR) continue;
    failed = got < 0;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  auto secret = failed ? base::Result<base::Secret>(base::Error{"io", "it is no readable file"})
                       : config::read_password_file({text, size});
  base::wipe(text, sizeof text);
  if (!secret) {
    out.problem = secret.error().text;
    return out;
  }
  base::Lock lock(mutex_);
  Kept& kept = kept_[path];
  if (kept.version == 0 || !(kept.secret == *secret)) ++kept.version;
  kept.seen = seen;
  kept.secret = *secret;
  out.secret = std::move(*secret);
  out.version = kept.version;
  return out;
}

}  // namespace howdah::worker
