// Whether this process may use the tile registers of AMX. A processor that has them is not enough: the operating system
// must save them when it switches between threads, and Linux lets a process use them only if it asks.
#pragma once

#include <string>

namespace latentknn {

struct TilePermission {
  bool has_tiles;       // whether the processor multiplies 8-bit integers in tiles
  bool granted;         // whether this process may use them
  std::string refusal;  // why not, where the processor has them; empty otherwise
};

// What tile_permission() asks; tests put other answers here.
struct TileQuestions {
  bool (*processor_has_tiles)();
  bool (*system_saves_tiles)();
  // Asks the system for permission, for the whole process. Returns 0 or the number of the error.
  int (*ask)();
};

// Puts the questions in their order, as far as they make sense. Nothing is asked of the system where there are no
// tiles.
TilePermission tile_permission(const TileQuestions& questions);

// Asks the first time that it is called, and remembers the answer. The permission makes the frames of signals larger.
// The system refuses it where a thread has an alternate stack that is too small for them.
const TilePermission& tile_permission();

}  // namespace latentknn
