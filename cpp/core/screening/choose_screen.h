// Makes the screen that a strategy asks for, or picks one by what the rows are like.
#pragma once

#include <memory>

#include "../search_request.h"
#include "../strategy.h"
#include "screen.h"

namespace latentknn {

// Null: no screening. `rows` are those that the choice is made from, at least one.
std::unique_ptr<Screen> choose_screen(Strategy strategy, const KernelTable& kernels, const Rows& rows);

// For rows that the chosen screen turned out not to suit: one that suits all alike.
std::unique_ptr<Screen> fallback_screen(const KernelTable& kernels, std::size_t dim);

}  // namespace latentknn
