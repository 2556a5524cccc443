// Where packed vectors stand: as a block's shared memory holds them, so that a kernel copies bytes without thinking.
//
// Vectors come in tiles, a tile in slices of kStepBytes of each of its vectors. In a slice a vector's bytes are four
// chunks whose order depends on the vector, so that the chunks of eight vectors lie in different banks. (It is the
// order of Hopper's 64-byte swizzle.)
#pragma once

#include <cstddef>

namespace latentknn::cuda {

inline constexpr std::size_t kStepBytes = 64;
inline constexpr std::size_t kChunkBytes = 16;
inline constexpr std::size_t kChunks = kStepBytes / kChunkBytes;
inline constexpr std::size_t kQueryTile = 128;
inline constexpr std::size_t kRowTile = 256;

// In a slice, the first byte of a vector's chunk.
constexpr std::size_t chunk_at(std::size_t vector, std::size_t chunk) {
  return vector * kStepBytes + ((chunk ^ ((vector / 2) % kChunks)) * kChunkBytes);
}

// Of packed vectors in tiles of `tile`, the first byte of a vector's chunk, counted through all its `steps`.
constexpr std::size_t packed_at(std::size_t vector, std::size_t chunk, std::size_t tile, std::size_t steps) {
  const std::size_t slice = vector / tile * steps + chunk / kChunks;
  return slice * tile * kStepBytes + chunk_at(vector % tile, chunk % kChunks);
}

// Bytes of `count` packed vectors, whole tiles.
constexpr std::size_t packed_bytes(std::size_t count, std::size_t tile, std::size_t steps) {
  return (count + tile - 1) / tile * tile * steps * kStepBytes;
}

}  // namespace latentknn::cuda
