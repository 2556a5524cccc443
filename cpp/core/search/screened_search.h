// Search by screening: the fused kernel excludes rows, and those that it leaves are scored in float64.
#pragma once

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/search.h"

namespace latentknn {

void screened_search(const Search& search, const Ladder& ladder, const Layout& layout);

}  // namespace latentknn
