// Memory for coroutine frames and call records: free lists by size class, one set per thread.
//
// A call allocates two objects and frees them within microseconds; the general allocator would be most of its cost.
// Sizes are rounded up to 64 bytes; above 2 KiB the general allocator is used. A thread keeps what it freed, up to a
// limit; the rest goes back to the regions, and from there to the system (memory/frame_regions.hpp).
//
// Only memory taken from there and not returned is counted, so a block from a free list costs nothing to count.

#include "kernel/frame_pool.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "epic/task.hpp"
#include "memory/frame_regions.hpp"

namespace epic::detail {

namespace {

constexpr std::size_t kStepBytes = 64;
constexpr std::size_t kPooledBytesMax = 2048;
constexpr std::size_t kClassCount = kPooledBytesMax / kStepBytes;
constexpr std::uint32_t kKeptPerClassMax = 1024;
constexpr std::uint32_t kBatch = 64;  // blocks that move at once

#if defined(__SANITIZE_ADDRESS__) || (defined(__has_feature) && __has_feature(address_sanitizer))
constexpr bool kPooled = false;  // so that the sanitizer sees every use after free
#else
constexpr bool kPooled = true;
#endif

using memory::Block;

/// No constructor and no destructor, so that access needs no check.
struct Pool {
  std::array<Block*, kClassCount> free;
  std::array<std::uint32_t, kClassCount> kept;
};

constinit thread_local Pool t_pool{};

/// Empties the thread's pool when the thread ends. Touched on the first allocation.
struct Cleaner {
  ~Cleaner() {
    for (Block*& head : t_pool.free) memory::give_back(std::exchange(head, nullptr));
  }
  void touch() const {}
};

thread_local Cleaner t_cleaner;

constexpr std::size_t class_of(std::size_t size_bytes) { return (size_bytes - 1) / kStepBytes; }
constexpr std::size_t bytes_of(std::size_t size_class) { return (size_class + 1) * kStepBytes; }

void* allocate_unpooled(std::size_t size_bytes) {
  kernel::t_frame_bytes_taken += static_cast<std::int64_t>(size_bytes);
  return ::operator new(size_bytes);
}

void free_unpooled(void* block, std::size_t size_bytes) noexcept {
  kernel::t_frame_bytes_taken -= static_cast<std::int64_t>(size_bytes);
  ::operator delete(block);
}

void* pop(std::size_t size_class) {
  Block* const block = t_pool.free[size_class];
  t_pool.free[size_class] = block->next;
  --t_pool.kept[size_class];
  return block;
}

void push(std::size_t size_class, void* frame) {
  auto* const block = static_cast<Block*>(frame);
  block->next = t_pool.free[size_class];
  t_pool.free[size_class] = block;
  ++t_pool.kept[size_class];
}

// The rare cases are calls at the end of the usual ones, which so need no stack frame.

/// The free list is empty.
[[gnu::noinline]] void* refill_and_pop(std::size_t size_class) {
  t_cleaner.touch();
  t_pool.free[size_class] = memory::take(bytes_of(size_class), kBatch);
  t_pool.kept[size_class] = kBatch;
  kernel::t_frame_bytes_taken += static_cast<std::int64_t>(kBatch * bytes_of(size_class));
  return pop(size_class);
}

/// The free list is full.
[[gnu::noinline]] void drain_and_push(std::size_t size_class, void* frame) noexcept {
  Block* const list = t_pool.free[size_class];
  Block* last = list;
  for (std::uint32_t i = 1; i < kBatch; ++i) last = last->next;
  t_pool.free[size_class] = std::exchange(last->next, nullptr);
  t_pool.kept[size_class] -= kBatch;
  kernel::t_frame_bytes_taken -= static_cast<std::int64_t>(kBatch * bytes_of(size_class));
  memory::give_back(list);
  push(size_class, frame);
}

}  // namespace

void* allocate_frame(std::size_t size_bytes) {
  if (!kPooled || size_bytes > kPooledBytesMax) return allocate_unpooled(size_bytes);
  const std::size_t size_class = class_of(size_bytes);
  if (t_pool.free[size_class] == nullptr) [[unlikely]]
    return refill_and_pop(size_class);
  return pop(size_class);
}

void free_frame(void* frame, std::size_t size_bytes) noexcept {
  if (!kPooled || size_bytes > kPooledBytesMax) return free_unpooled(frame, size_bytes);
  const std::size_t size_class = class_of(size_bytes);
  if (t_pool.kept[size_class] == kKeptPerClassMax) [[unlikely]]
    return drain_and_push(size_class, frame);
  push(size_class, frame);
}

}  // namespace epic::detail

namespace epic::kernel {

std::uint64_t frame_bytes() {
  std::int64_t kept_bytes = 0;
  for (std::size_t i = 0; i < detail::kClassCount; ++i)
    kept_bytes += static_cast<std::int64_t>(detail::t_pool.kept[i] * (i + 1) * detail::kStepBytes);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, t_frame_bytes_taken - kept_bytes));
}

}  // namespace epic::kernel
