// Texts as applications send them, with what facts() says of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/route/facts.h"

namespace howdah::route {

struct Sample {
  std::string_view sql;
  std::uint16_t touch;
};

std::vector<std::string_view> plain_texts();     // the cheap scan must see it
std::vector<std::string_view> harmless_texts();  // touch nothing, but only the grammar may see it
std::vector<Sample> touching_texts();

inline constexpr std::uint16_t kEverything = kSettings | kUnknownSetting | kPins | kHidden | kDdl;

}  // namespace howdah::route
