#include "memory/frame_regions.hpp"

#include <sys/mman.h>

#include <array>
#include <mutex>
#include <new>
#include <utility>

namespace epic::memory {

namespace {

constexpr std::size_t kSpanCount = kRegionBytes / kSpanBytes;
constexpr std::size_t kStepBytes = 64;
constexpr std::size_t kClassCount = 2048 / kStepBytes;
constexpr std::size_t kSpareRegionsMax = 2;  // kept for the next burst

/// Members of a doubly linked list, which may leave it from anywhere.
template <class T>
struct List {
  T* first = nullptr;
  void add(T& one) {
    one.previous = nullptr;
    one.next = first;
    if (first != nullptr) first->previous = &one;
    first = &one;
  }
  void remove(T& one) {
    (one.previous != nullptr ? one.previous->next : first) = one.next;
    if (one.next != nullptr) one.next->previous = one.previous;
  }
};

/// Blocks of one size.
struct Span {
  Span* previous;
  Span* next;
  Block* free;         // returned ones
  std::uint32_t used;  // blocks; 0: the span has no size yet
  std::uint32_t size_class;
  std::byte* fresh;  // what has never been used starts here, so that its pages are not touched
  std::byte* end;
  [[nodiscard]] bool is_full() const { return free == nullptr && fresh + block_bytes() > end; }
  [[nodiscard]] std::size_t block_bytes() const { return (size_class + 1) * kStepBytes; }
};

/// At the start of its memory; the first span begins behind it.
struct Region {
  Region* previous;
  Region* next;
  std::uint32_t used_spans;
  std::array<Span, kSpanCount> spans;

  [[nodiscard]] std::byte* begin_of(std::size_t span) {
    return reinterpret_cast<std::byte*>(this) + (span == 0 ? (sizeof(Region) + 63) / 64 * 64 : span * kSpanBytes);
  }
  [[nodiscard]] std::byte* end_of(std::size_t span) {
    return reinterpret_cast<std::byte*>(this) + (span + 1) * kSpanBytes;
  }
};
static_assert(sizeof(Region) < kSpanBytes / 2);

/// Aligned to its size, so that a block's address leads to its region. Null: the system has no more.
Region* map_region() {
  void* const memory = ::mmap(nullptr, 2 * kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t aligned = (start + kRegionBytes - 1) / kRegionBytes * kRegionBytes;
  if (aligned > start) ::munmap(memory, aligned - start);
  const std::uintptr_t rest = start + 2 * kRegionBytes - (aligned + kRegionBytes);
  if (rest > 0) ::munmap(reinterpret_cast<void*>(aligned + kRegionBytes), rest);
  ::madvise(reinterpret_cast<void*>(aligned), kRegionBytes, MADV_HUGEPAGE);
  return new (reinterpret_cast<void*>(aligned)) Region{};
}

Region& region_of(const void* address) {
  return *reinterpret_cast<Region*>(reinterpret_cast<std::uintptr_t>(address) / kRegionBytes * kRegionBytes);
}

Span& span_of(const void* block) {
  return region_of(block).spans[reinterpret_cast<std::uintptr_t>(block) % kRegionBytes / kSpanBytes];
}

class Regions {
 public:
  Block* take(std::size_t size_class, std::size_t count) {
    const std::lock_guard lock(mutex_);
    Block* list = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      Block* const block = take_one(size_class);
      if (block == nullptr) {
        give_back_locked(list);
        throw std::bad_alloc();
      }
      block->next = list;
      list = block;
    }
    return list;
  }

  void give_back(Block* list) noexcept {
    const std::lock_guard lock(mutex_);
    give_back_locked(list);
  }

  [[nodiscard]] std::size_t count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  Block* take_one(std::size_t size_class) {
    List<Span>& open = open_[size_class];
    if (open.first == nullptr && !open_span(size_class)) return nullptr;
    Span& span = *open.first;
    Block* block = span.free;
    if (block != nullptr)
      span.free = block->next;
    else
      block = reinterpret_cast<Block*>(std::exchange(span.fresh, span.fresh + span.block_bytes()));
    ++span.used;
    if (span.is_full()) open.remove(span);
    return block;
  }

  bool open_span(std::size_t size_class) {
    if (with_room_.first == nullptr) {
      Region* const region = map_region();
      if (region == nullptr) return false;
      ++count_;
      ++spare_count_;
      with_room_.add(*region);
    }
    Region& region = *with_room_.first;
    std::size_t number = 0;
    while (region.spans[number].end != nullptr) ++number;
    region.spans[number] = {.previous = nullptr,
                            .next = nullptr,
                            .free = nullptr,
                            .used = 0,
                            .size_class = static_cast<std::uint32_t>(size_class),
                            .fresh = region.begin_of(number),
                            .end = region.end_of(number)};
    open_[size_class].add(region.spans[number]);
    if (region.used_spans == 0) --spare_count_;
    if (++region.used_spans == kSpanCount) with_room_.remove(region);
    return true;
  }

  void give_back_locked(Block* list) noexcept {
    while (list != nullptr) give_back_one(std::exchange(list, list->next));
  }

  void give_back_one(Block* block) noexcept {
    Span& span = span_of(block);
    List<Span>& open = open_[span.size_class];
    if (span.is_full()) open.add(span);
    block->next = span.free;
    span.free = block;
    if (--span.used > 0) return;
    open.remove(span);
    span.end = nullptr;
    Region& region = region_of(block);
    if (region.used_spans-- == kSpanCount) with_room_.add(region);
    if (region.used_spans > 0) return;
    if (spare_count_ < kSpareRegionsMax) {
      ++spare_count_;
      return;
    }
    with_room_.remove(region);
    --count_;
    ::munmap(&region, kRegionBytes);
  }

  std::mutex mutex_;
  std::array<List<Span>, kClassCount> open_{};  // spans with a free block, by size
  List<Region> with_room_;                      // regions with a free span
  std::size_t count_ = 0;
  std::size_t spare_count_ = 0;  // of them, those that are empty
};

// Never destroyed: threads that outlive main return their blocks here.
constinit Regions g_regions;

}  // namespace

Block* take(std::size_t block_bytes, std::size_t count) { return g_regions.take(block_bytes / kStepBytes - 1, count); }
void give_back(Block* list) noexcept { g_regions.give_back(list); }
std::size_t region_count() { return g_regions.count(); }

}  // namespace epic::memory
