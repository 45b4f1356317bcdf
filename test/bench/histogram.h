// Latencies in nanoseconds, counted in buckets that grow with the value: 256 buckets for each power
// of two, so that a percentile is right to 0.4 %. Values up to 2^42 ns (73 minutes).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace howdah::bench {

class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  void add(std::uint64_t ns) {
    ++counts_[bucket_of(ns)];
    ++total_;
    max_ = std::max(max_, ns);
  }

  void clear() {
    std::fill(counts_.begin(), counts_.end(), 0);
    total_ = 0;
    max_ = 0;
  }

  std::uint64_t total() const { return total_; }
  std::uint64_t max() const { return max_; }

  // The value below or at which `part` (0 to 1) of all values lie; 0 when there are none.
  std::uint64_t percentile(double part) const {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(total_) + 0.5);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted && counts_[i] != 0) return std::min(top_of(i), max_);
    }
    return max_;
  }

 private:
  static constexpr int kBits = 8;
  static constexpr std::uint64_t kSub = 1u << kBits;
  static constexpr std::uint64_t kLimit = std::uint64_t{1} << 42;
  static constexpr std::size_t kBuckets = (42 - kBits + 1) * kSub;

  static std::size_t bucket_of(std::uint64_t ns) {
    ns = std::min(ns, kLimit - 1);
    if (ns < kSub) return ns;
    const int shift = std::bit_width(ns) - kBits - 1;
    return static_cast<std::size_t>(shift + 1) * kSub + ((ns >> shift) - kSub);
  }
  static std::uint64_t top_of(std::size_t bucket) {
    if (bucket < kSub) return bucket;
    const auto shift = static_cast<int>(bucket / kSub) - 1;
    return ((kSub + bucket % kSub + 1) << shift) - 1;
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace howdah::bench
