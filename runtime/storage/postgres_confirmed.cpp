#include "storage/postgres_confirmed.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "files/private_files.hpp"
#include "reflect/try.hpp"

namespace epic::storage {

namespace {

/// Other processes read and change it at any time: only by atomic_ref. `writer` is written last, and read again after
/// the others: so they belong together.
struct PgConfirmedSlot {
  std::int64_t writer;  // kFree, kBeingClaimed, or whose it is
  std::int64_t number;
  std::int64_t node;
  std::int64_t is_held;  // its process has it locked while it lives
};

constexpr std::int64_t kFree = 0;
constexpr std::int64_t kBeingClaimed = -1;

std::atomic_ref<std::int64_t> shared(std::int64_t& number) { return std::atomic_ref(number); }

/// A byte of the file for each slot, locked by the open file and so until its process ends.
struct flock byte_of(std::size_t slot, short type) {
  struct flock byte{};
  byte.l_type = type;
  byte.l_whence = SEEK_SET;
  byte.l_start = static_cast<off_t>(slot);
  byte.l_len = 1;
  return byte;
}

/// False if another holds it.
bool lock_slot(int descriptor, std::size_t slot, short type) {
  struct flock wanted = byte_of(slot, type);
  return ::fcntl(descriptor, F_OFD_SETLK, &wanted) == 0;
}

constexpr int kClaimTriesMax = 1'000;  // as many others at once

bool is_free(int descriptor, std::size_t slot) {
  struct flock wanted = byte_of(slot, F_WRLCK);
  return ::fcntl(descriptor, F_OFD_GETLK, &wanted) == 0 && wanted.l_type == F_UNLCK;
}

}  // namespace

struct PgConfirmed::File {
  std::int64_t history;
  PgServerName server;
  std::array<std::int64_t, 5> unused;
  std::array<PgConfirmedSlot, kPgConfirmedSlots> slots;
};

std::expected<PgConfirmed, StoreError> PgConfirmed::open(const std::filesystem::path& path) {
  auto lock = EPIC_TRY(FileLock::open(path));
  auto file = files::open_file(path, files::Use::write);
  if (!file) return std::unexpected(store_error(file.error()));
  const auto failed = [&path](int system_error) {
    return std::unexpected(StoreError{
        StoreErrorCode::io, fmt::format("cannot use '{}', in which is noted what the database has confirmed: {}.",
                                        path.string(), std::strerror(system_error))});
  };
  // On a full disk, writing to memory without space behind it would be a signal.
  if (const int error = ::posix_fallocate(file->get(), 0, sizeof(File)); error != 0) return failed(error);
  void* const memory = ::mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), 0);
  if (memory == MAP_FAILED) return failed(errno);
  return PgConfirmed(std::move(lock), *std::move(file), static_cast<File*>(memory));
}

PgConfirmed::PgConfirmed(PgConfirmed&& other) noexcept
    : lock_(std::move(other.lock_)),
      descriptor_(std::move(other.descriptor_)),
      file_(std::exchange(other.file_, nullptr)),
      slot_(other.slot_) {}

PgConfirmed::~PgConfirmed() {
  if (file_ != nullptr) ::munmap(file_, sizeof(File));
}

std::expected<void, StoreError> PgConfirmed::begin(std::int64_t history) {
  if (shared(file_->history).load() == history) return {};
  const auto hold = EPIC_TRY(lock_.lock());
  if (shared(file_->history).load() == history) return {};
  for (PgConfirmedSlot& slot : file_->slots) shared(slot.writer).store(kFree);
  shared(file_->server.timeline).store(0);
  shared(file_->history).store(history);
  return {};
}

PgServerName PgConfirmed::server() const {
  return {.system = shared(file_->server.system).load(), .timeline = shared(file_->server.timeline).load()};
}

void PgConfirmed::set_server(const PgServerName& server) {
  shared(file_->server.system).store(server.system);
  shared(file_->server.timeline).store(server.timeline);
}

std::vector<PgConfirmedWriter> PgConfirmed::all() const {
  std::vector<PgConfirmedWriter> all;
  for (PgConfirmedSlot& slot : file_->slots) {
    const std::int64_t writer = shared(slot.writer).load();
    if (writer == kFree || writer == kBeingClaimed) continue;
    const PgConfirmedWriter one{.writer = writer,
                                .node = kernel::NodeId{static_cast<std::uint16_t>(shared(slot.node).load())},
                                .number = shared(slot.number).load()};
    if (shared(slot.writer).load() == writer) all.push_back(one);
  }
  return all;
}

void PgConfirmed::note(const PgConfirmedWriter& confirmed) {
  if (!slot_ || shared(file_->slots[*slot_].writer).load() != confirmed.writer) return claim_slot(confirmed);
  PgConfirmedSlot& slot = file_->slots[*slot_];
  shared(slot.node).store(confirmed.node.value);
  shared(slot.number).store(confirmed.number);
}

/// A process that ends while it claims one takes that with it; there are enough.
void PgConfirmed::claim_slot(const PgConfirmedWriter& confirmed) {
  if (slot_) lock_slot(descriptor_.get(), *slot_, F_UNLCK);  // it was given to another
  slot_.reset();
  for (int tries = 0; tries < kClaimTriesMax; ++tries) {
    std::size_t oldest = 0;  // a free one comes first
    std::int64_t former = INT64_MAX;
    for (std::size_t i = 0; i < file_->slots.size(); ++i) {
      const std::int64_t writer = shared(file_->slots[i].writer).load();
      if (writer == kBeingClaimed || writer >= former) continue;
      former = writer;
      oldest = i;
    }
    PgConfirmedSlot& slot = file_->slots[oldest];
    if (former == INT64_MAX || !shared(slot.writer).compare_exchange_strong(former, kBeingClaimed)) continue;
    slot_ = oldest;
    shared(slot.number).store(confirmed.number);
    shared(slot.node).store(confirmed.node.value);
    shared(slot.is_held).store(lock_slot(descriptor_.get(), oldest, F_WRLCK) ? 1 : 0);
    return shared(slot.writer).store(confirmed.writer);
  }
}

std::vector<std::int64_t> PgConfirmed::dead_writers() const {
  std::vector<std::int64_t> dead;
  for (std::size_t i = 0; i < file_->slots.size(); ++i) {
    const std::int64_t writer = shared(file_->slots[i].writer).load();
    const bool is_held = shared(file_->slots[i].is_held).load() != 0;
    if (writer > kFree && is_held && slot_ != i && is_free(descriptor_.get(), i) &&
        shared(file_->slots[i].writer).load() == writer)
      dead.push_back(writer);
  }
  return dead;
}

bool PgConfirmed::forget(const std::vector<std::int64_t>& dead) {
  if (dead.empty()) return true;
  for (PgConfirmedSlot& slot : file_->slots)
    for (std::int64_t writer : dead) shared(slot.writer).compare_exchange_strong(writer, kFree);
  return ::msync(file_, sizeof(File), MS_SYNC) == 0;
}

}  // namespace epic::storage
