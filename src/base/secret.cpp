// Wiping, comparing and drawing secrets (howdah/base/secret.h).
#include "howdah/base/secret.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace howdah::base {

void wipe(void* memory, std::size_t size) {
  if (size) ::explicit_bzero(memory, size);
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  // volatile keeps the compiler from leaving the loop at the first difference.
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

void keep_out_of_core_dumps() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void random_bytes(void* memory, std::size_t size) {
  auto* at = static_cast<unsigned char*>(memory);
  while (size > 0) {
    ssize_t got = ::getrandom(at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    // A weak key would be worse than no service.
    if (got <= 0) std::abort();
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace howdah::base
