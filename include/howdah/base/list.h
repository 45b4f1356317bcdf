// Intrusive doubly linked list that knows its length. An object may be in as many lists as it has
// links; `List<T, &T::link>`. O(1) everything; unlinking needs the list (the length is kept there).
// Not owning. A linked object must be unlinked before it dies (checked in debug builds).
#pragma once

#include <cassert>
#include <cstddef>

namespace howdah::base {

template <typename T>
struct Link {
  T* prev = nullptr;
  T* next = nullptr;
  const void* owner = nullptr;  // the list it is in; null = in none
  bool linked() const { return owner != nullptr; }
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { assert(!linked()); }
};

template <typename T, Link<T> T::* L>
class List {
 public:
  List() = default;
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* front() const { return head_; }
  T* back() const { return tail_; }
  static T* next(const T& item) { return (item.*L).next; }
  static T* prev(const T& item) { return (item.*L).prev; }
  bool contains(const T& item) const { return (item.*L).owner == this; }

  void push_back(T& item) { insert(item, tail_, nullptr); }
  void push_front(T& item) { insert(item, nullptr, head_); }
  // Before `where`; a null `where` means at the end.
  void insert_before(T& item, T* where) {
    insert(item, where ? (where->*L).prev : tail_, where);
  }
  void remove(T& item) {
    Link<T>& link = item.*L;
    assert(link.owner == this);
    (link.prev ? (link.prev->*L).next : head_) = link.next;
    (link.next ? (link.next->*L).prev : tail_) = link.prev;
    link.prev = link.next = nullptr;
    link.owner = nullptr;
    --size_;
  }
  T* pop_front() {
    T* item = head_;
    if (item) remove(*item);
    return item;
  }
  // Safe against removal of the visited item only.
  template <typename F>
  void each(F&& visit) const {
    for (T* item = head_; item;) {
      T* following = (item->*L).next;
      visit(*item);
      item = following;
    }
  }

 private:
  void insert(T& item, T* before, T* after) {
    Link<T>& link = item.*L;
    assert(!link.linked());
    link.prev = before;
    link.next = after;
    link.owner = this;
    (before ? (before->*L).next : head_) = &item;
    (after ? (after->*L).prev : tail_) = &item;
    ++size_;
  }
  T* head_ = nullptr;
  T* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace howdah::base
