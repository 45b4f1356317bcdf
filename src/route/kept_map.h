// A map from text to Value, bounded in bytes, that nobody can empty for others. It has two parts:
//
//   new (at least a quarter) <--- insert, or pushed out of kept
//    | used again, by more than the oldest of kept: its place         least used of new: gone
//    v
//   kept (at most three quarters), least recently used last
//
// Texts that come once only push each other out. To take a place of a kept one a text must be used
// more often than it; each attack takes one use from what the attacked one has to show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/list.h"

namespace howdah::route {

// Seeded, 16 bytes at a time.
inline std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  auto mix = [](std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  std::uint64_t secret = mix(seed ^ kOdd, kOdd), hash = seed ^ text.size() * kOdd;
  std::uint64_t words[2];
  std::size_t at = 0;
  for (; text.size() - at >= sizeof words; at += sizeof words) {
    std::memcpy(words, text.data() + at, sizeof words);
    hash = mix(words[0] ^ secret, words[1] ^ hash);
  }
  words[0] = words[1] = 0;
  if (at < text.size()) std::memcpy(words, text.data() + at, text.size() - at);
  return mix(mix(words[0] ^ secret, words[1] ^ hash), kOdd ^ secret);
}

template <typename Value>
class KeptMap {
 public:
  KeptMap(std::size_t limit, std::uint64_t seed) : limit_(limit), seed_(seed), buckets_(64) {}
  ~KeptMap() { clear(); }
  KeptMap(const KeptMap&) = delete;
  KeptMap& operator=(const KeptMap&) = delete;

  // Counts as a use. Valid until the next find, insert or resize.
  Value* find(std::string_view key) {
    Item* item = lookup(key, hash_text(key, seed_));
    if (!item) return nullptr;
    touch(*item);
    return &item->value;
  }

  // The value of this key, a new one if need be; nothing if `bytes` is more than an eighth of all.
  Value* insert(std::string_view key, std::size_t bytes) {
    std::uint64_t hash = hash_text(key, seed_);
    Item* item = lookup(key, hash);
    if (item) return &item->value;
    bytes += sizeof(Item) + key.size() + 32;
    if (bytes > limit_ / 8) return nullptr;
    auto owned = std::make_unique<Item>();
    item = owned.release();
    item->key = key;
    item->hash = hash;
    item->bytes = bytes;
    if (count_ >= buckets_.size()) grow();
    Item*& bucket = buckets_[hash & (buckets_.size() - 1)];
    item->next = bucket;
    bucket = item;
    ++count_;
    bytes_ += bytes;
    fresh_.push_front(*item);
    make_room(item);
    return &item->value;
  }

  // The value has another size now, without the key. It may be thrown out for that: then false.
  bool resize(std::string_view key, std::size_t bytes) {
    Item* item = lookup(key, hash_text(key, seed_));
    if (!item) return false;
    bytes += sizeof(Item) + key.size() + 32;
    if (bytes > limit_ / 8) return erase(*item), false;
    bytes_ = bytes_ - item->bytes + bytes;
    if (item->kept) kept_bytes_ = kept_bytes_ - item->bytes + bytes;
    item->bytes = bytes;
    make_room(item);
    return true;
  }

  void clear() {
    while (Item* item = fresh_.pop_front()) delete item;
    while (Item* item = kept_.pop_front()) delete item;
    buckets_.assign(buckets_.size(), nullptr);
    bytes_ = kept_bytes_ = count_ = 0;
  }

  std::size_t bytes() const { return bytes_ + buckets_.size() * sizeof(Item*); }
  std::size_t size() const { return count_; }

 private:
  struct Item {
    std::string key;
    std::uint64_t hash = 0;
    Item* next = nullptr;  // in its bucket
    base::Link<Item> link;
    std::size_t bytes = 0;
    std::uint32_t uses = 0;
    bool kept = false;
    Value value{};
  };
  static constexpr std::uint32_t kMostUses = 60;  // what was used a lot gives way in the end
  using Items = base::List<Item, &Item::link>;

  Item* lookup(std::string_view key, std::uint64_t hash) const {
    Item* item = buckets_[hash & (buckets_.size() - 1)];
    while (item && (item->hash != hash || item->key != key)) item = item->next;
    return item;
  }

  void touch(Item& item) {
    if (item.uses < kMostUses) ++item.uses;
    Items& list = item.kept ? kept_ : fresh_;
    if (list.front() != &item) list.remove(item), list.push_front(item);
    if (item.kept || item.uses < 2) return;
    std::size_t room = limit_ - limit_ / 4;
    while (kept_bytes_ + item.bytes > room) {
      Item* oldest = kept_.back();
      if (!oldest) return;
      if (oldest->uses >= item.uses) {
        --oldest->uses;
        return;
      }
      move(*oldest, false);
    }
    move(item, true);
  }

  void move(Item& item, bool to_kept) {
    (to_kept ? fresh_ : kept_).remove(item);
    (to_kept ? kept_ : fresh_).push_front(item);
    item.kept = to_kept;
    if (to_kept) {
      kept_bytes_ += item.bytes;
    } else {
      kept_bytes_ -= item.bytes;
      item.uses = 0;
    }
  }

  // `spared` stays.
  void make_room(Item* spared) {
    while (bytes_ > limit_) {
      Item* victim = fresh_.back();
      if (victim == spared) victim = Items::prev(*victim);
      if (!victim) victim = kept_.back() == spared ? Items::prev(*spared) : kept_.back();
      if (!victim) return;
      erase(*victim);
    }
  }

  void erase(Item& item) {
    Item** at = &buckets_[item.hash & (buckets_.size() - 1)];
    while (*at != &item) at = &(*at)->next;
    *at = item.next;
    (item.kept ? kept_ : fresh_).remove(item);
    if (item.kept) kept_bytes_ -= item.bytes;
    bytes_ -= item.bytes;
    --count_;
    delete &item;
  }

  void grow() {
    std::vector<Item*> wider(buckets_.size() * 2);
    for (Item* item : buckets_) {
      while (item) {
        Item* next = item->next;
        Item*& bucket = wider[item->hash & (wider.size() - 1)];
        item->next = bucket;
        bucket = item;
        item = next;
      }
    }
    buckets_ = std::move(wider);
  }

  std::size_t limit_;
  std::uint64_t seed_;
  std::vector<Item*> buckets_;  // a power of two
  Items fresh_, kept_;          // used last first
  std::size_t bytes_ = 0, kept_bytes_ = 0, count_ = 0;
};

}  // namespace howdah::route
