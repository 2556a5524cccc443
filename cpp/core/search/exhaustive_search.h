// Search without screening: every admitted row is scored in float64.
#pragma once

#include "search/search.h"

namespace latentknn {

void exhaustive_search(const Search& search);

}  // namespace latentknn
