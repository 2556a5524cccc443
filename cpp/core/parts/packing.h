// The layout and the screens of a part's rows.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "choice/choose_screen.h"
#include "choice/strategy.h"
#include "layout/layout.h"
#include "platform/thread_pool.h"
#include "rows/rows.h"
#include "screening/ladder.h"

namespace latentknn {

struct Packing {
  // Chooses screens for the rows, at least one, and packs them. Throws std::bad_alloc, Interrupted.
  Packing(Strategy strategy, const KernelTable& kernels, const Rows& rows, std::size_t threads,
          const ThreadPool::Poll& poll);

  Ladder ladder;                   // empty where nothing is screened
  std::unique_ptr<Layout> layout;  // places of the rows
  std::vector<Consideration> considered;
};

}  // namespace latentknn
