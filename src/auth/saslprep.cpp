// SASLprep: map, check, normalise. As PostgreSQL does, the checks look at the mapped text, not at
// the normalised one, and any failure means "take the password as it is": both ends of a login must
// come to the same bytes.
#include "auth/saslprep.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>

namespace howdah::auth {
namespace {

struct Range {
  char32_t first, last;
};
struct Decomposition {
  char32_t code;
  std::uint16_t at, count;  // in kDecomposed
};
struct CombiningRun {
  char32_t first, last;
  std::uint8_t combining_class;
};
struct Composition {
  char32_t first, second, whole;
};

#include "auth/unicode_tables.inc"

// A text of code points that held a password.
struct Text {
  std::u32string codes;
  ~Text() { base::wipe(codes.data(), codes.size() * sizeof(char32_t)); }
  // Room is made first, so that growing leaves no copies behind.
  explicit Text(std::size_t room) { codes.reserve(room); }
};

constexpr std::size_t kLongestDecomposition = 18;

template <typename Run, std::size_t N>
const Run* run_of(const Run (&table)[N], char32_t code) {
  auto it = std::upper_bound(std::begin(table), std::end(table), code,
                             [](char32_t c, const Run& run) { return c < run.first; });
  if (it == std::begin(table)) return nullptr;
  --it;
  return code <= it->last ? it : nullptr;
}

int combining_class(char32_t code) {
  const CombiningRun* run = run_of(kCombining, code);
  return run ? run->combining_class : 0;
}

bool decode_utf8(std::string_view bytes, std::u32string& out) {
  for (std::size_t i = 0; i < bytes.size();) {
    auto lead = static_cast<unsigned char>(bytes[i]);
    std::size_t more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : 3;
    if ((more == 3 && lead >> 3 != 30) || more >= bytes.size() - i) return false;
    char32_t code = more == 0 ? lead : lead & (0x3fu >> more);
    for (std::size_t k = 1; k <= more; ++k) {
      auto next = static_cast<unsigned char>(bytes[i + k]);
      if (next >> 6 != 2) return false;
      code = code << 6 | (next & 0x3fu);
    }
    constexpr char32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (code < kLeast[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    out += code;
    i += more + 1;
  }
  return true;
}

void encode_utf8(char32_t code, std::string& out) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

// Hangul syllables are made by arithmetic (Unicode standard, section 3.12).
constexpr char32_t kS = 0xac00, kL = 0x1100, kV = 0x1161, kT = 0x11a7;
constexpr char32_t kLCount = 19, kVCount = 21, kTCount = 28, kSCount = kLCount * kVCount * kTCount;

void decompose(char32_t code, std::u32string& out) {
  if (code >= kS && code < kS + kSCount) {
    char32_t index = code - kS;
    out += kL + index / (kVCount * kTCount);
    out += kV + index / kTCount % kVCount;
    if (index % kTCount) out += kT + index % kTCount;
    return;
  }
  auto it = std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), code,
                             [](const Decomposition& d, char32_t c) { return d.code < c; });
  if (it == std::end(kDecompositions) || it->code != code) {
    out += code;
  } else {
    out.append(kDecomposed + it->at, it->count);
  }
}

// 0 if the two make no single character.
char32_t compose(char32_t first, char32_t second) {
  if (first >= kL && first < kL + kLCount && second >= kV && second < kV + kVCount) {
    return kS + ((first - kL) * kVCount + (second - kV)) * kTCount;
  }
  if (first >= kS && first < kS + kSCount && (first - kS) % kTCount == 0 && second > kT &&
      second < kT + kTCount) {
    return first + (second - kT);
  }
  auto it = std::lower_bound(
      std::begin(kCompositions), std::end(kCompositions), std::pair(first, second),
      [](const Composition& c, const auto& pair) { return std::pair(c.first, c.second) < pair; });
  bool found = it != std::end(kCompositions) && it->first == first && it->second == second;
  return found ? it->whole : 0;
}

// Normalisation form KC, in place.
void normalise(std::u32string& codes) {
  Text text(codes.size() * kLongestDecomposition);
  std::u32string& in = text.codes;
  for (char32_t code : codes) decompose(code, in);

  // Canonical order: runs of combining characters are sorted by class, equal ones keep their order.
  for (auto at = in.begin(); at != in.end();) {
    auto end = std::find_if(at, in.end(), [](char32_t c) { return combining_class(c) == 0; });
    std::stable_sort(at, end, [](char32_t a, char32_t b) {
      return combining_class(a) < combining_class(b);
    });
    at = end == in.end() ? end : end + 1;
  }

  codes.clear();
  std::size_t starter = std::u32string::npos;  // where the last character of class 0 stands
  int last_class = 0;
  for (char32_t code : in) {
    int this_class = combining_class(code);
    bool next_to_it = starter != std::u32string::npos && starter + 1 == codes.size();
    bool blocked = !next_to_it && last_class >= this_class;
    if (starter != std::u32string::npos && !blocked) {
      if (char32_t whole = compose(codes[starter], code)) {
        codes[starter] = whole;
        continue;
      }
    }
    if (this_class == 0) starter = codes.size();
    last_class = this_class;
    codes += code;
  }
}

bool allowed(const std::u32string& codes) {
  bool right = false, left = false;
  for (char32_t code : codes) {
    if (run_of(kProhibited, code)) return false;
    right |= run_of(kRightToLeft, code) != nullptr;
    left |= run_of(kLeftToRight, code) != nullptr;
  }
  return !right ||
         (!left && run_of(kRightToLeft, codes.front()) && run_of(kRightToLeft, codes.back()));
}

}  // namespace

base::Secret saslprep(std::string_view password) {
  auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  base::Secret raw(password);
  if (std::all_of(password.begin(), password.end(), is_ascii)) return raw;

  Text decoded(password.size()), mapped(password.size() * kLongestDecomposition);
  if (!decode_utf8(password, decoded.codes)) return raw;
  for (char32_t code : decoded.codes) {
    if (run_of(kSpaces, code)) {
      mapped.codes += U' ';
    } else if (!run_of(kNothing, code)) {
      mapped.codes += code;
    }
  }
  if (mapped.codes.empty() || !allowed(mapped.codes)) return raw;
  normalise(mapped.codes);

  std::string out;
  out.reserve(mapped.codes.size() * 4);
  for (char32_t code : mapped.codes) encode_utf8(code, out);
  base::Secret prepared(out);
  base::wipe(out.data(), out.size());
  return prepared;
}

}  // namespace howdah::auth
