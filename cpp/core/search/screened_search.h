// Search by screening: the fused kernel excludes rows, what it leaves is scored in float64.
#pragma once

#include "layout/layout.h"
#include "screening/ladder.h"
#include "search/search_request.h"

namespace latentknn {

void screened_search(const KernelTable& kernels, const Ladder& ladder, const Layout& layout, const Rows& rows,
                     const SearchRequest& request);

}  // namespace latentknn
