// systemd's two protocols, without its library: sd_notify(3) datagrams and sd_listen_fds(3).
// Both do nothing when the environment does not ask for them. Thread: the supervisor's.
#pragma once

#include <string_view>
#include <vector>

namespace howdah::app {

// "READY=1", "STOPPING=1", "STATUS=...": sent to $NOTIFY_SOCKET; failures are ignored, as systemd
// itself advises.
void notify(std::string_view state);
// RELOADING=1 with the MONOTONIC_USEC that Type=notify-reload wants.
void notify_reloading();

// Descriptors passed by socket activation (3 and up), close-on-exec; empty when there are none for
// this process. The variables are removed, so that nothing else takes them for its own.
std::vector<int> passed_sockets();

}  // namespace howdah::app
