// Memory for coroutine frames and call records: free lists by size class, one set a thread.
//
// A call makes two objects and frees them within microseconds; the general allocator would be most of its cost. Blocks
// are rounded up to 64 bytes; above 2 KiB the general allocator serves. A thread keeps what it freed, up to a bound.

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

/// No constructor and no destructor, so that reaching it costs no check.
struct Pool {
  std::array<Block*, kClassCount> free;
  std::array<std::uint32_t, kClassCount> kept;
};

constinit thread_local Pool t_pool{};

/// Empties the thread's pool when the thread ends. Touched where memory is first asked for.
struct Cleaner {
  ~Cleaner() {
    for (Block*& head : t_pool.free)
      while (head != nullptr) ::operator delete(std::exchange(head, head->next));
  }
  void touch() const {}
};

thread_local Cleaner t_cleaner;

constexpr std::size_t class_of(std::size_t size_bytes) { return (size_bytes - 1) / kStepBytes; }

}  // namespace

void* allocate_frame(std::size_t size_bytes) {
  if (!kPooled || size_bytes > kPooledBytesMax) return ::operator new(size_bytes);
  const std::size_t size_class = class_of(size_bytes);
  Pool& pool = t_pool;
  if (Block* block = pool.free[size_class]; block != nullptr) {
    pool.free[size_class] = block->next;
    --pool.kept[size_class];
    return block;
  }
  t_cleaner.touch();
  return ::operator new((size_class + 1) * kStepBytes);
}

void free_frame(void* frame, std::size_t size_bytes) noexcept {
  if (!kPooled || size_bytes > kPooledBytesMax) return ::operator delete(frame);
  const std::size_t size_class = class_of(size_bytes);
  Pool& pool = t_pool;
  if (pool.kept[size_class] == kKeptPerClassMax) return ::operator delete(frame);
  auto* block = static_cast<Block*>(frame);
  block->next = pool.free[size_class];
  pool.free[size_class] = block;
  ++pool.kept[size_class];
}

}  // namespace epic::detail
