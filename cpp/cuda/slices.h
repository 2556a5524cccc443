// The layout of packed vectors. It is that of a block's shared memory, so that a kernel copies bytes as they are.
//
// Vectors are stored in tiles, and a tile in slices, which have kStepBytes of each vector.
// In a slice a vector has four chunks. Their order depends on the vector,
// so that the chunks of eight vectors lie in different banks. (It is the order of Hopper's 64-byte swizzle.)
#pragma once

#include <cstddef>

namespace latentknn::cuda {

inline constexpr std::size_t kStepBytes = 64;
inline constexpr std::size_t kChunkBytes = 16;
inline constexpr std::size_t kChunks = kStepBytes / kChunkBytes;
inline constexpr std::size_t kQueryTile = 128;
inline constexpr std::size_t kRowTile = 256;

// Returns the first byte of a vector's chunk in a slice.
constexpr std::size_t chunk_at(std::size_t vector, std::size_t chunk) {
  return vector * kStepBytes + ((chunk ^ ((vector / 2) % kChunks)) * kChunkBytes);
}

// Returns the first byte of a vector's chunk in tiles of `tile` vectors. Chunks are counted through all `steps` slices.
constexpr std::size_t packed_at(std::size_t vector, std::size_t chunk, std::size_t tile, std::size_t steps) {
  const std::size_t slice = vector / tile * steps + chunk / kChunks;
  return slice * tile * kStepBytes + chunk_at(vector % tile, chunk % kChunks);
}

// Returns the bytes of the whole tiles that `count` packed vectors need.
constexpr std::size_t packed_bytes(std::size_t count, std::size_t tile, std::size_t steps) {
  return (count + tile - 1) / tile * tile * steps * kStepBytes;
}

}  // namespace latentknn::cuda
