// Memory for coroutine frames and call records: free lists by size class, one set per thread.
//
// A call allocates two objects and frees them within microseconds; the general allocator would be most of its cost.
// Sizes are rounded up to 64 bytes; above 2 KiB the general allocator is used. A thread keeps what it freed, up to a
// limit.
//
// Only memory taken from the general allocator and not returned is counted, so a block from a free list costs nothing
// to count.

#include "kernel/frame_pool.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "epic/task.hpp"

namespace epic::detail {

namespace {

constexpr std::size_t kStepBytes = 64;
constexpr std::size_t kPooledBytesMax = 2048;
constexpr std::size_t kClassCount = kPooledBytesMax / kStepBytes;
constexpr std::uint32_t kKeptPerClassMax = 4096;

#if defined(__SANITIZE_ADDRESS__) || (defined(__has_feature) && __has_feature(address_sanitizer))
constexpr bool kPooled = false;  // so that the sanitizer sees every use after free
#else
constexpr bool kPooled = true;
#endif

struct Block {
  Block* next;
};

/// No constructor and no destructor, so that access needs no check.
struct Pool {
  std::array<Block*, kClassCount> free;
  std::array<std::uint32_t, kClassCount> kept;
};

constinit thread_local Pool t_pool{};

/// Empties the thread's pool when the thread ends. Touched on the first allocation.
struct Cleaner {
  ~Cleaner() {
    for (Block*& head : t_pool.free)
      while (head != nullptr) ::operator delete(std::exchange(head, head->next));
  }
  void touch() const {}
};

thread_local Cleaner t_cleaner;

constexpr std::size_t class_of(std::size_t size_bytes) { return (size_bytes - 1) / kStepBytes; }

void* take(std::size_t size_bytes) {
  kernel::t_frame_bytes_taken += static_cast<std::int64_t>(size_bytes);
  return ::operator new(size_bytes);
}

void give_back(void* block, std::size_t size_bytes) noexcept {
  kernel::t_frame_bytes_taken -= static_cast<std::int64_t>(size_bytes);
  ::operator delete(block);
}

}  // namespace

void* allocate_frame(std::size_t size_bytes) {
  if (!kPooled || size_bytes > kPooledBytesMax) return take(size_bytes);
  const std::size_t size_class = class_of(size_bytes);
  Pool& pool = t_pool;
  if (Block* block = pool.free[size_class]; block != nullptr) {
    pool.free[size_class] = block->next;
    --pool.kept[size_class];
    return block;
  }
  t_cleaner.touch();
  return take((size_class + 1) * kStepBytes);
}

void free_frame(void* frame, std::size_t size_bytes) noexcept {
  if (!kPooled || size_bytes > kPooledBytesMax) return give_back(frame, size_bytes);
  const std::size_t size_class = class_of(size_bytes);
  Pool& pool = t_pool;
  if (pool.kept[size_class] == kKeptPerClassMax) return give_back(frame, (size_class + 1) * kStepBytes);
  auto* block = static_cast<Block*>(frame);
  block->next = pool.free[size_class];
  pool.free[size_class] = block;
  ++pool.kept[size_class];
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
