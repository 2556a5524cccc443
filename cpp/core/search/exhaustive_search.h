// Search without screening: every admitted row is scored in float64.
#pragma once

#include "search/search_request.h"

namespace latentknn {

void exhaustive_search(const KernelTable& kernels, const Rows& rows, const SearchRequest& request);

}  // namespace latentknn
