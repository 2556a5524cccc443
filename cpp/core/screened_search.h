// Search by screening: the fused kernel excludes rows, what it leaves is scored in float64.
#pragma once

#include "layout/layout.h"
#include "screening/screen.h"
#include "search_request.h"

namespace latentknn {

void screened_search(const KernelTable& kernels, const Screen& screen, const Layout& layout, const Rows& rows,
                     const SearchRequest& request);

}  // namespace latentknn
