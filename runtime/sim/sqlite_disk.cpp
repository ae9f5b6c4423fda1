#include "sim/sqlite_disk.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "kernel/assert.hpp"
#include "storage/sqlite_reshard.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::sim {

namespace fs = std::filesystem;
using storage::Store;
using storage::StoreError;
using storage::StoreErrorCode;

namespace {

// Small, so that a run has many checkpoints.
constexpr storage::WalLimits kLimits = {.checkpoint_frames = 60, .frames_wait = 300};

constexpr std::size_t kPageBytesMin = 512;

constexpr std::string_view kDied = "the simulated process has died";
constexpr std::string_view kPrefix = "epic-sim-";  // epic-sim-PID-XXXXXX

/// What processes have left that were killed.
void remove_left_behind(const fs::path& parent) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    pid_t owner = 0;
    const char* const end = name.data() + name.size();
    const char* const behind = std::from_chars(name.data() + kPrefix.size(), end, owner).ptr;
    const bool names_owner = owner > 0 && behind != end && *behind == '-';
    if (names_owner && ::kill(owner, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

fs::path make_root() {
  const fs::path parent = fs::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
  remove_left_behind(parent);
  std::string name = (parent / fmt::format("{}{}-XXXXXX", kPrefix, ::getpid())).string();
  EPIC_ASSERT(::mkdtemp(name.data()) != nullptr, "cannot make a directory like {}", name);
  return name;
}

}  // namespace

/// A process's store. Every call of it says whose file calls follow.
class ProcessStore final : public Store {
 public:
  ProcessStore(SqliteDisk& disk, SqliteDisk::Handle handle, std::unique_ptr<Store> rows)
      : disk_(disk), handle_(handle), rows_(std::move(rows)) {}
  ~ProcessStore() override { die(); }

  std::expected<void, StoreError> grant(const storage::Grants& grants) override {
    return run([&] { return rows_->grant(grants); });
  }
  std::expected<std::vector<storage::ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                   kernel::NodeId node,
                                                                   kernel::Incarnation incarnation) override {
    return run([&] { return rows_->take(shards, node, incarnation); });
  }
  std::expected<void, StoreError> write_next(const NextBatch& next) override {
    return run([&] { return rows_->write_next(next); });
  }
  std::expected<void, StoreError> sync() override {
    return run([&] { return rows_->sync(); });
  }
  std::expected<std::optional<storage::Snapshot>, StoreError> load(std::string_view type,
                                                                   std::string_view key) override {
    return run([&] { return rows_->load(type, key); });
  }
  std::expected<kernel::Version, StoreError> version_floor(kernel::ShardId shard) override {
    return run([&] { return rows_->version_floor(shard); });
  }
  std::expected<std::optional<std::string>, StoreError> schema(kernel::SchemaId id) override {
    return run([&] { return rows_->schema(id); });
  }
  std::expected<void, StoreError> list(const storage::ListFilter& filter,
                                       const std::function<storage::Visit(const storage::Snapshot&)>& visit,
                                       const std::function<void(const storage::DamagedRow&)>& on_corrupt) override {
    return run([&] { return rows_->list(filter, visit, on_corrupt); });
  }
  std::expected<storage::MailPage, StoreError> mail_of(kernel::ShardId shard, std::uint64_t after) override {
    return run([&] { return rows_->mail_of(shard, after); });
  }
  std::expected<void, StoreError> list_mail(
      const storage::MailFilter& filter, const std::function<storage::Visit(const storage::Mail&)>& visit,
      const std::function<void(const storage::DamagedMail&)>& on_corrupt) override {
    return run([&] { return rows_->list_mail(filter, visit, on_corrupt); });
  }
  std::expected<std::optional<storage::FoundMail>, StoreError> find_mail(const kernel::MailId& id) override {
    return run([&] { return rows_->find_mail(id); });
  }
  std::expected<storage::MailCounts, StoreError> count_mail() override {
    return run([&] { return rows_->count_mail(); });
  }
  std::expected<std::optional<storage::Answer>, StoreError> answer(const storage::AnswerId& id) override {
    return run([&] { return rows_->answer(id); });
  }
  std::expected<std::optional<std::int64_t>, StoreError> oldest_answer(kernel::ShardId shard) override {
    return run([&] { return rows_->oldest_answer(shard); });
  }
  std::expected<storage::ReminderPage, StoreError> reminders_of(kernel::ShardId shard,
                                                                const storage::ReminderPlace& after,
                                                                std::size_t limit) override {
    return run([&] { return rows_->reminders_of(shard, after, limit); });
  }
  std::expected<std::vector<std::string>, StoreError> reminder_names(std::string_view type, std::string_view key,
                                                                     std::size_t limit) override {
    return run([&] { return rows_->reminder_names(type, key, limit); });
  }
  std::expected<void, StoreError> list_reminders(
      const storage::ReminderFilter& filter, const std::function<storage::Visit(const storage::Reminder&)>& visit,
      const std::function<void(const storage::DamagedReminder&)>& on_corrupt) override {
    return run([&] { return rows_->list_reminders(filter, visit, on_corrupt); });
  }
  std::expected<std::uint64_t, StoreError> count_reminders() override {
    return run([&] { return rows_->count_reminders(); });
  }
  OpenReader reader_opener() const override { return rows_->reader_opener(); }
  std::expected<void, StoreError> begin_moment() override {
    return run([&] { return rows_->begin_moment(); });
  }
  void end_moment() override {
    if (rows_ != nullptr) rows_->end_moment();
  }
  std::expected<std::vector<storage::TypeCount>, StoreError> count_by_type() override {
    return run([&] { return rows_->count_by_type(); });
  }
  std::expected<std::vector<ShardRow>, StoreError> shards() override {
    return run([&] { return rows_->shards(); });
  }
  const storage::StoreIdentity& identity() const override { return rows_->identity(); }
  std::expected<void, StoreError> check_files() override {
    return run([&] { return rows_->check_files(); });
  }
  bool wants_maintenance() const override { return rows_ != nullptr && rows_->wants_maintenance(); }
  std::expected<void, StoreError> maintain() override {
    return run([&] { return rows_->maintain(); });
  }

 private:
  template <class Call>
  std::invoke_result_t<Call> run(const Call& call) {
    if (handle_.power_cuts != disk_.power_cuts_) die();
    if (rows_ == nullptr) return std::unexpected(StoreError{StoreErrorCode::io, std::string(kDied)});
    SqliteDisk::Handle* const former = std::exchange(disk_.user_, &handle_);
    auto result = call();
    disk_.user_ = former;
    if (handle_.is_dead) die();  // before others need the locks that it holds
    if (!result) disk_.hide_directory(result.error().message);
    return result;
  }

  /// As a process does: the system closes its files.
  void die() {
    handle_.is_dead = true;
    SqliteDisk::Handle* const former = std::exchange(disk_.user_, &handle_);
    rows_.reset();
    disk_.user_ = former;
  }

  SqliteDisk& disk_;
  SqliteDisk::Handle handle_;
  std::unique_ptr<Store> rows_;  // null: it is dead
};

SqliteDisk::SqliteDisk(std::uint64_t seed, kernel::Placement placement, storage::WallClock wall_clock)
    : random_(seed), placement_(std::move(placement)), wall_clock_(std::move(wall_clock)), root_(make_root()) {
  fs::create_directory(directory());
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(1 + seed % 1'000'000'000), nullptr);
  files_.before_write = [this](const std::string&) { return before_write(); };
  files_.before_sync = [this](const std::string& path) { return before_sync(path); };
  files_.after_read = [this](const std::string& path, std::span<char> bytes) { after_read(path, bytes); };
  files_.draw_torn = [this](std::size_t bytes) {
    const bool is_its_first = user_ != nullptr && !std::exchange(is_torn_, true);
    return is_its_first ? static_cast<std::size_t>(random_() % (bytes + 1)) : 0;
  };
}

SqliteDisk::~SqliteDisk() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

fs::path SqliteDisk::directory() const { return root_ / fmt::format("{}", power_cuts_); }

std::expected<std::unique_ptr<Store>, StoreError> SqliteDisk::open() {
  Handle handle{.power_cuts = power_cuts_, .failed_syncs = failed_syncs_};
  const std::uint64_t faults_before = faults_met_;
  Handle* const former = std::exchange(user_, &handle);
  auto opened = storage::SqliteStore::open(directory() / "state.sqlite", {.mode = storage::OpenMode::create,
                                                                          .shard_count = placement_.shard_count(),
                                                                          .groups = placement_.groups(),
                                                                          .wall_clock = wall_clock_,
                                                                          .wal = kLimits,
                                                                          .vfs = files_.vfs()});
  if (opened && handle.is_dead) opened = std::unexpected(StoreError{StoreErrorCode::io, std::string(kDied)});
  user_ = former;
  if (opened) return std::make_unique<ProcessStore>(*this, handle, std::move(*opened));
  EPIC_ASSERT(faults_met_ > faults_before, "the store cannot be opened: {}", opened.error().message);
  hide_directory(opened.error().message);
  return std::unexpected(std::move(opened.error()));
}

void SqliteDisk::reshard(const kernel::Placement& placement) {
  placement_ = placement;
  const fs::path file = directory() / "state.sqlite";
  if (!fs::exists(file)) return;
  {  // which makes up for what was not done when the disk failed
    const auto store = storage::SqliteStore::open(
        file, {.mode = storage::OpenMode::existing, .wall_clock = wall_clock_, .wal = kLimits, .vfs = files_.vfs()});
    EPIC_ASSERT(store.has_value(), "the store cannot be opened: {}", store.error().message);
  }
  auto connection = storage::Connection::open(file, storage::Access::write, files_.vfs(), std::chrono::seconds(1));
  EPIC_ASSERT(connection.has_value(), "the store cannot be opened: {}", connection.error().message);
  const auto rows = storage::reshard_rows(*connection, placement, storage::BackupWatcher().on_progress);
  EPIC_ASSERT(rows.has_value(), "the store cannot be resharded: {}", rows.error().message);
}

/// Which is another each time.
void SqliteDisk::hide_directory(std::string& text) const {
  const std::string root = root_.string();
  for (std::size_t at = 0; (at = text.find(root, at)) != std::string::npos;)
    text.replace(at, root.size(), "/sim/store");
}

void SqliteDisk::set_failing(bool is_failing) {
  failure_ = !is_failing ? Failure::none : random_() % 2 == 0 ? Failure::write : Failure::sync;
}

void SqliteDisk::cut_power() {
  ++power_cuts_;
  fs::create_directory(directory());
  files_.cut_power(directory(), random_);
  files_.forget_files();
}

bool SqliteDisk::is_dying() {
  if (user_->is_dead || user_->power_cuts != power_cuts_) return true;
  if (calls_until_death_ == 0 || --calls_until_death_ > 0) return false;
  return user_->is_dead = true;
}

int SqliteDisk::before_write() {
  const int result = draw_write_fault();
  if (result != SQLITE_OK) ++faults_met_;
  return result;
}

int SqliteDisk::draw_write_fault() {
  if (user_ == nullptr) return SQLITE_OK;
  const bool was_dead = user_->is_dead;
  if (is_dying()) {
    is_torn_ = was_dead;
    return SQLITE_IOERR_WRITE;
  }
  if (is_full_) return SQLITE_FULL;
  if (failure_ != Failure::write) return SQLITE_OK;
  failure_ = Failure::none;
  is_torn_ = false;
  return SQLITE_IOERR_WRITE;
}

void SqliteDisk::after_read(const std::string& path, std::span<char> bytes) {
  if (!path.ends_with(".sqlite") || bytes.size() < kPageBytesMin) return;
  if (reads_until_rot_ == 0 || --reads_until_rot_ > 0) return;
  ++faults_met_;
  const std::uint64_t bit = random_() % (bytes.size() * 8);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
}

int SqliteDisk::before_sync(const std::string& path) {
  const int result = draw_sync_fault(path);
  if (result != SQLITE_OK) ++faults_met_;
  return result;
}

/// What a failed sync has not written never will be, and the system reports that to everyone who has the file open.
int SqliteDisk::draw_sync_fault(const std::string& path) {
  if (user_ == nullptr) return SQLITE_OK;
  if (is_dying()) return SQLITE_IOERR_FSYNC;
  if (failure_ == Failure::sync) {
    failure_ = Failure::none;
    files_.give_up_writing(path);
    ++failed_syncs_;
  }
  if (std::exchange(user_->failed_syncs, failed_syncs_) != failed_syncs_) return SQLITE_IOERR_FSYNC;
  return SQLITE_OK;
}

}  // namespace epic::sim
