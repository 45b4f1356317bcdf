// What PostgreSQL will still say; see the header.
#include "compare/outstanding.h"

#include <cstring>

namespace howdah::compare {

namespace {
bool in(const char* set, char type) { return type != '\0' && std::strchr(set, type) != nullptr; }
}  // namespace

void Outstanding::sent(char type) {
  queue_.push_back(type);
  settle();
}

void Outstanding::settle() {
  while (!queue_.empty()) {
    if (copy_in_) {
      while (!copy_over_ && queue_.size() > 1) {
        char next = queue_[1];
        if (!in("dHScf", next)) return;  // the server will close over it
        copy_over_ = in("cf", next);
        queue_.erase(queue_.begin() + 1);
      }
      return;
    }
    char front = queue_.front();
    if (skipping_ && front == 'S') skipping_ = false;
    if (!skipping_ && !in("Hdcf", front)) return;
    queue_.pop_front();
  }
}

void Outstanding::pop_if(char type) {
  if (!queue_.empty() && queue_.front() == type) queue_.pop_front();
}

void Outstanding::got(char type) {
  if (in("NSA", type)) return;
  if (queue_.empty()) {
    confused_ = true;
    return;
  }
  switch (type) {
    case '1':
      pop_if('P');
      break;
    case '2':
      pop_if('B');
      break;
    case '3':
      pop_if('C');
      break;
    case 'T':
    case 'n':
      pop_if('D');
      break;
    case 'I':
    case 's':
      pop_if('E');
      break;
    case 'C':
      copy_in_ = copy_over_ = false;
      pop_if('E');
      break;
    case 'G':
      copy_in_ = true;
      copy_over_ = false;
      break;
    case 'E':
      copy_in_ = copy_over_ = false;
      if (in("PBDEC", queue_.front())) {
        queue_.pop_front();
        skipping_ = true;
      }
      break;
    case 'Z':
      if (in("QFS", queue_.front())) {
        queue_.pop_front();
      } else {
        confused_ = true;
      }
      break;
    default:
      break;
  }
  settle();
}

}  // namespace howdah::compare
