// Runs one fuzz target without libFuzzer: every file of the corpus directory, then seeded random
// inputs, then mutations of the corpus. The same inputs on every run: `fuzz_x [CORPUS [ROUNDS]]`.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> read_corpus(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(directory)) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> corpus;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return corpus;
}

// A copy in exactly as much heap as it needs, so that a sanitizer sees every byte read past it.
void run(const Bytes& input) {
  Bytes exact(input.begin(), input.end());
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

class Mutator {
 public:
  Bytes random_input() {
    Bytes bytes(below(4) == 0 ? below(4096) : below(64));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(below(256));
    return bytes;
  }

  Bytes mutated(Bytes bytes, const std::vector<Bytes>& corpus) {
    for (std::size_t i = 0, count = 1 + below(6); i < count; ++i) change(bytes, corpus);
    return bytes;
  }

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_);
  }

 private:
  void change(Bytes& bytes, const std::vector<Bytes>& corpus) {
    std::size_t at = below(bytes.size() + 1);
    switch (below(7)) {
      case 0:  // insert
        bytes.insert(bytes.begin() + at, static_cast<std::uint8_t>(below(256)));
        break;
      case 1:  // cut the tail
        bytes.resize(at);
        break;
      case 2:  // drop a run
        bytes.erase(bytes.begin() + at, bytes.begin() + at + below(bytes.size() - at + 1));
        break;
      case 3:  // an edge value, as lengths go wrong
        if (bytes.size() - at >= 4) {
          static constexpr std::uint32_t kEdges[] = {0,          1,          3,     4,         5,
                                                     0x7fffffff, 0x80000000, 65535, 0xffffffff, 8};
          std::uint32_t value = kEdges[below(std::size(kEdges))];
          for (int i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
        }
        break;
      case 4:  // splice with another input
        if (!corpus.empty()) {
          const Bytes& other = corpus[below(corpus.size())];
          bytes.resize(at);
          bytes.insert(bytes.end(), other.begin() + below(other.size() + 1), other.end());
        }
        break;
      default:  // flip bits
        if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1u << below(8));
    }
  }

  std::mt19937_64 engine_{20261123};
};

}  // namespace

int main(int argc, char** argv) {
  std::vector<Bytes> corpus = argc > 1 ? read_corpus(argv[1]) : std::vector<Bytes>{};
  int rounds = argc > 2 ? std::atoi(argv[2]) : 5000;
  for (const Bytes& input : corpus) run(input);
  run({});
  Mutator mutator;
  for (int i = 0; i < rounds; ++i) {
    run(mutator.random_input());
    if (!corpus.empty()) run(mutator.mutated(corpus[mutator.below(corpus.size())], corpus));
  }
  std::printf("%zu corpus files, %d rounds\n", corpus.size(), rounds);
  return 0;
}
