#include "screening/ladder.h"

#include <algorithm>

namespace latentknn {

std::vector<std::uint32_t> Ladder::unscreened_places() const {
  std::vector<std::uint32_t> places;
  for (const std::unique_ptr<Screen>& screen : screens) {
    const std::vector<std::uint32_t> some = screen->unscreened_places();
    places.insert(places.end(), some.begin(), some.end());
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

}  // namespace latentknn
