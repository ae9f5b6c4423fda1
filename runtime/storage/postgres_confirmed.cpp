#include "storage/postgres_confirmed.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <ranges>
#include <utility>

#include "files/private_files.hpp"
#include "reflect/try.hpp"

namespace epic::storage {

namespace {

struct PgConfirmedSlot {
  std::int64_t writer;  // 0: free
  std::int64_t number;  // this and the next change while others read, `writer` only under the lock
  std::int64_t node;
  std::int64_t is_held;  // its process has it locked while it lives
};

std::atomic_ref<std::int64_t> number_of(PgConfirmedSlot& slot) { return std::atomic_ref(slot.number); }

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
  const auto hold = EPIC_TRY(lock_.lock());
  if (file_->history == history) return {};
  file_->slots.fill({});
  file_->server = {};
  file_->history = history;
  return {};
}

std::expected<PgServerName, StoreError> PgConfirmed::server() {
  const auto hold = EPIC_TRY(lock_.lock());
  return file_->server;
}

std::expected<void, StoreError> PgConfirmed::set_server(const PgServerName& server) {
  const auto hold = EPIC_TRY(lock_.lock());
  file_->server = server;
  return {};
}

std::expected<std::vector<PgConfirmedWriter>, StoreError> PgConfirmed::all() {
  const auto hold = EPIC_TRY(lock_.lock());
  std::vector<PgConfirmedWriter> all;
  for (PgConfirmedSlot& slot : file_->slots)
    if (slot.writer != 0)
      all.push_back({.writer = slot.writer,
                     .node = kernel::NodeId{static_cast<std::uint16_t>(std::atomic_ref(slot.node).load())},
                     .number = number_of(slot).load()});
  return all;
}

std::expected<void, StoreError> PgConfirmed::note(const PgConfirmedWriter& confirmed) {
  if (!slot_ || file_->slots[*slot_].writer != confirmed.writer) EPIC_TRY(claim_slot(confirmed));
  PgConfirmedSlot& slot = file_->slots[*slot_];
  std::atomic_ref(slot.node).store(confirmed.node.value);
  number_of(slot).store(confirmed.number);
  return {};
}

std::expected<void, StoreError> PgConfirmed::claim_slot(const PgConfirmedWriter& confirmed) {
  const auto hold = EPIC_TRY(lock_.lock());
  if (slot_) lock_slot(descriptor_.get(), *slot_, F_UNLCK);                                  // it was given to another
  const auto oldest = std::ranges::min_element(file_->slots, {}, &PgConfirmedSlot::writer);  // a free one comes first
  slot_ = static_cast<std::size_t>(oldest - file_->slots.begin());
  const bool is_held = lock_slot(descriptor_.get(), *slot_, F_WRLCK);
  *oldest = {
      .writer = confirmed.writer, .number = confirmed.number, .node = confirmed.node.value, .is_held = is_held ? 1 : 0};
  return {};
}

std::expected<std::vector<std::int64_t>, StoreError> PgConfirmed::dead_writers() {
  const auto hold = EPIC_TRY(lock_.lock());
  std::vector<std::int64_t> dead;
  for (std::size_t i = 0; i < file_->slots.size(); ++i)
    if (file_->slots[i].writer != 0 && file_->slots[i].is_held != 0 && slot_ != i && is_free(descriptor_.get(), i))
      dead.push_back(file_->slots[i].writer);
  return dead;
}

std::expected<void, StoreError> PgConfirmed::forget(const std::vector<std::int64_t>& dead) {
  const auto hold = EPIC_TRY(lock_.lock());
  for (PgConfirmedSlot& slot : file_->slots)
    if (std::ranges::find(dead, slot.writer) != dead.end()) slot = {};
  return {};
}

}  // namespace epic::storage
