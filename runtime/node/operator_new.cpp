// Replaces operator new and delete in epic-node, and so in the modules that it loads: they count the bytes in use.
//
// A call between two entities allocates nothing here (kernel/frame_pool.hpp). A sanitizer has its own operators.

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "io/heap.hpp"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !(defined(__has_feature) && (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)))

namespace {

void* counted(void* memory) noexcept {
  if (memory != nullptr) epic::io::count_heap_bytes(static_cast<std::int64_t>(::malloc_usable_size(memory)));
  return memory;
}

/// As the standard wants it: the new-handler is asked until there is memory, or it throws.
template <class Allocate>
void* allocate(Allocate&& try_once) {
  while (true) {
    if (void* const memory = counted(try_once())) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  epic::io::count_heap_bytes(-static_cast<std::int64_t>(::malloc_usable_size(memory)));
  std::free(memory);
}

}  // namespace

// The other forms call these in turn.
void* operator new(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX) throw std::bad_alloc();
  return allocate([=] { return std::malloc(std::max<std::size_t>(bytes, 1)); });
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  if (bytes > PTRDIFF_MAX) throw std::bad_alloc();
  const auto align = static_cast<std::size_t>(alignment);
  return allocate(
      [=] { return std::aligned_alloc(align, (std::max<std::size_t>(bytes, 1) + align - 1) / align * align); });
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

#endif
