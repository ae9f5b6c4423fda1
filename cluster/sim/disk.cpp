#include "cluster/sim/disk.hpp"

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"
#include "sim/sqlite_disk.hpp"

namespace epic::cluster::sim {

using storage::StoreError;
using storage::StoreErrorCode;

namespace {

constexpr nanoseconds kInFlightMax = std::chrono::seconds(2);
constexpr std::uint32_t kEffectPercent = 50;
constexpr std::size_t kInFlightCountMax = 100;

}  // namespace

/// A process's handle. After an error of the disk it refuses every change, as the store contract has it.
class DiskStore final : public storage::Store {
 public:
  DiskStore(Disk& disk, std::unique_ptr<Store> rows)
      : disk_(disk), power_cuts_(disk.power_cuts_), rows_(std::move(rows)) {}

  std::expected<void, StoreError> grant(const storage::Grants& grants) override {
    if (auto fault = fault_of_change()) return std::unexpected(*std::move(fault));
    auto granted = rows_->grant(grants);
    if (granted) disk_.note(grants);
    if (granted) disk_.referee_.on_granted(grants);
    if (granted) disk_.arrive_at_grant(grants);
    if (granted && disk_.draw_break()) return std::unexpected(broken());
    return granted;
  }
  std::expected<std::vector<storage::ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                   kernel::NodeId node,
                                                                   kernel::Incarnation incarnation) override {
    if (auto fault = fault_of_change()) return std::unexpected(*std::move(fault));
    auto taken = rows_->take(shards, node, incarnation);
    if (!taken) return taken;
    disk_.referee_.on_taken(shards, incarnation);
    disk_.note(Disk::Take{{shards.begin(), shards.end()}, node, incarnation});
    disk_.sync();
    if (disk_.draw_break()) return std::unexpected(broken());
    return taken;
  }
  std::expected<void, StoreError> write_next(const NextBatch& next) override {
    if (in_flight_ != nullptr) {
      if (disk_.is_away_) return std::unexpected(unsure());
      const auto asked = std::exchange(in_flight_, nullptr);
      asked->is_ended = true;
      if (asked->is_written) return {};
    }
    if (auto absence = disk_.find_absence()) return std::unexpected(*std::move(absence));
    const storage::Batch& batch = next();
    if (disk_.draw_break()) return break_at(batch);
    if (auto fault = fault_of_change()) return std::unexpected(*std::move(fault));
    auto written = rows_->write_next([&]() -> const storage::Batch& { return batch; });
    if (written) disk_.note(batch);
    written ? disk_.referee_.on_written(batch) : disk_.referee_.on_refused(batch, written.error());
    return written;
  }
  std::expected<void, StoreError> sync() override {
    if (auto fault = fault_of_change(); fault && fault->code != StoreErrorCode::full)
      return std::unexpected(*std::move(fault));
    disk_.sync();
    return {};
  }

  std::expected<std::optional<storage::Snapshot>, StoreError> load(std::string_view type,
                                                                   std::string_view key) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->load(type, key);
  }
  std::expected<kernel::Version, StoreError> version_floor(kernel::ShardId shard) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->version_floor(shard);
  }
  std::expected<std::optional<std::string>, StoreError> schema(kernel::SchemaId id) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->schema(id);
  }
  std::expected<void, StoreError> list(const storage::ListFilter& filter,
                                       const std::function<storage::Visit(const storage::Snapshot&)>& visit,
                                       const std::function<void(const storage::DamagedRow&)>& on_corrupt) override {
    return rows_->list(filter, visit, on_corrupt);
  }
  std::expected<storage::MailPage, StoreError> mail_of(kernel::ShardId shard, std::uint64_t after) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->mail_of(shard, after);
  }
  std::expected<void, StoreError> list_mail(
      const storage::MailFilter& filter, const std::function<storage::Visit(const storage::Mail&)>& visit,
      const std::function<void(const storage::DamagedMail&)>& on_corrupt) override {
    return rows_->list_mail(filter, visit, on_corrupt);
  }
  std::expected<std::optional<storage::FoundMail>, StoreError> find_mail(const kernel::MailId& id) override {
    return rows_->find_mail(id);
  }
  std::expected<storage::MailCounts, StoreError> count_mail() override { return rows_->count_mail(); }
  std::expected<std::optional<storage::Answer>, StoreError> answer(const storage::AnswerId& id) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->answer(id);
  }
  std::expected<std::optional<std::int64_t>, StoreError> oldest_answer(kernel::ShardId shard) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->oldest_answer(shard);
  }
  std::expected<storage::ReminderPage, StoreError> reminders_of(kernel::ShardId shard,
                                                                const storage::ReminderPlace& after,
                                                                std::size_t limit) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->reminders_of(shard, after, limit);
  }
  std::expected<std::vector<std::string>, StoreError> reminder_names(std::string_view type, std::string_view key,
                                                                     std::size_t limit) override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->reminder_names(type, key, limit);
  }
  std::expected<void, StoreError> list_reminders(
      const storage::ReminderFilter& filter, const std::function<storage::Visit(const storage::Reminder&)>& visit,
      const std::function<void(const storage::DamagedReminder&)>& on_corrupt) override {
    return rows_->list_reminders(filter, visit, on_corrupt);
  }
  std::expected<std::uint64_t, StoreError> count_reminders() override { return rows_->count_reminders(); }
  OpenReader reader_opener() const override { return rows_->reader_opener(); }
  std::expected<void, StoreError> begin_moment() override { return rows_->begin_moment(); }
  void end_moment() override { rows_->end_moment(); }
  std::expected<std::vector<storage::TypeCount>, StoreError> count_by_type() override { return rows_->count_by_type(); }
  std::expected<std::vector<ShardRow>, StoreError> shards() override {
    if (auto fault = fault_of_read()) return std::unexpected(*std::move(fault));
    return rows_->shards();
  }
  const storage::StoreIdentity& identity() const override { return rows_->identity(); }

 private:
  /// A commit whose connection broke; the server may still carry it out.
  struct InFlight {
    bool is_written = false;
    bool is_ended = false;
  };

  std::expected<void, StoreError> break_at(const storage::Batch& batch) {
    in_flight_ = std::make_shared<InFlight>();
    // It may be asked to more than once.
    const auto carry_out = [rows = std::shared_ptr<Store>(*rows_->reader_opener()()), batch, flight = in_flight_,
                            &referee = disk_.referee_] {
      if (flight->is_ended || flight->is_written) return;
      flight->is_written = rows->write_next([&]() -> const storage::Batch& { return batch; }).has_value();
      if (flight->is_written) referee.on_written(batch);
    };
    World& world = disk_.world_;
    if (world.chance(kEffectPercent)) {
      carry_out();
    } else if (world.chance(kEffectPercent)) {
      world.after(world.draw_delay(kInFlightMax), 0, fingerprint_of("commit in flight"), carry_out);
      if (world.chance(kEffectPercent)) disk_.await_grant(batch, carry_out);
    }
    return std::unexpected(unsure());
  }
  static StoreError unsure() { return {StoreErrorCode::unsure, "the simulated connection broke at a commit"}; }
  static StoreError broken() { return {StoreErrorCode::busy, "the simulated connection broke"}; }

  std::optional<StoreError> fault_of_read() const {
    if (is_off()) return off();
    return disk_.find_absence();
  }
  std::optional<StoreError> fault_of_change() {
    if (broken_) return broken_;
    if (is_off()) return off();
    if (auto absence = disk_.find_absence()) return absence;
    auto fault = disk_.draw_fault();
    if (fault && fault->code == StoreErrorCode::io) broken_ = fault;
    return fault;
  }

  [[nodiscard]] bool is_off() const { return power_cuts_ != disk_.power_cuts_; }
  static StoreError off() { return {StoreErrorCode::io, "the simulated machine was switched off"}; }

  Disk& disk_;
  std::uint64_t power_cuts_;
  std::unique_ptr<Store> rows_;
  std::optional<StoreError> broken_;
  std::shared_ptr<InFlight> in_flight_;  // shared with what the server still does
};

Disk::Disk(World& world, kernel::Placement placement, DiskOptions options)
    : world_(world), placement_(std::move(placement)), options_(options), rows_(make_rows()) {
  if (options.on_files) files_ = std::make_unique<epic::sim::SqliteDisk>(world.random(), placement_, make_clock());
}

Disk::~Disk() = default;

storage::WallClock Disk::make_clock() const {
  return [clock = ProcessClock(world_, 0)] {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(nanoseconds(clock.wall_ns())));
  };
}

std::unique_ptr<storage::MemoryStore> Disk::make_rows() const {
  return std::make_unique<storage::MemoryStore>(placement_, make_clock());
}

std::expected<std::unique_ptr<storage::Store>, StoreError> Disk::open() {
  if (options_.is_faultless) return rows_->reader_opener()();
  if (files_ != nullptr) return files_->open();
  if (auto absence = find_absence()) return std::unexpected(*std::move(absence));
  return std::make_unique<DiskStore>(*this, *rows_->reader_opener()());
}

std::optional<StoreError> Disk::find_absence() const {
  if (!is_away_) return std::nullopt;
  return StoreError{StoreErrorCode::busy, "the simulated database cannot be reached"};
}

/// What is in flight has no worse moment: its shards are another's then, and have the same epoch.
void Disk::await_grant(const storage::Batch& batch, std::function<void()> arrive) {
  std::set<kernel::ShardId> shards;
  for (const storage::ShardEpoch& held : batch.epochs) shards.insert(held.shard);
  late_commits_.push_back({std::move(shards), std::move(arrive)});
  if (late_commits_.size() > kInFlightCountMax) late_commits_.pop_front();
}

void Disk::arrive_at_grant(const storage::Grants& grants) {
  std::erase_if(late_commits_, [&](const LateCommit& one) {
    const bool is_there =
        std::ranges::any_of(grants.list, [&](const storage::Grant& grant) { return one.shards.contains(grant.shard); });
    if (is_there) one.arrive();
    return is_there;
  });
}

void Disk::reshard(const kernel::Placement& placement) {
  if (files_ != nullptr) return files_->reshard(placement);
  rows_->reshard(placement);
  referee_.forget();
  if (options_.is_faultless) return;
  note(placement);
  sync();
}

void Disk::set_full(bool is_full) {
  is_full_ = is_full;
  if (files_ != nullptr) files_->set_full(is_full);
}

void Disk::set_failing(bool is_failing) {
  must_fail_ = is_failing;
  if (files_ != nullptr) files_->set_failing(is_failing);
}

void Disk::set_death(std::uint64_t calls) {
  if (files_ != nullptr)
    files_->set_death(calls);
  else
    must_fail_ = calls > 0;
}

std::optional<StoreError> Disk::draw_fault() {
  if (std::exchange(must_fail_, false)) return StoreError{StoreErrorCode::io, "the simulated disk failed"};
  if (is_full_) return StoreError{StoreErrorCode::full, "the simulated disk is full"};
  return std::nullopt;
}

std::optional<std::errc> Disk::draw_file_fault(epic::sim::MemoryFiles::Access access) {
  if (std::exchange(must_fail_, false)) return std::errc::io_error;
  if (is_full_ && access == epic::sim::MemoryFiles::Access::change) return std::errc::no_space_on_device;
  return std::nullopt;
}

void Disk::cut_power() {
  ++power_cuts_;
  project_files_.cut_power([this] { return world_.draw(2) == 0; });
  if (files_ != nullptr) return files_->cut_power();
  changes_.resize(durable_count_ + world_.draw(changes_.size() - durable_count_ + 1));
  sync();
  rows_ = make_rows();
  referee_.forget();
  for (const Change& change : changes_) apply(*rows_, change);
}

void Disk::apply(storage::MemoryStore& rows, const Change& change) {
  if (const auto* placement = std::get_if<kernel::Placement>(&change)) return rows.reshard(*placement);
  bool is_done = false;
  if (const auto* grants = std::get_if<storage::Grants>(&change))
    is_done = rows.grant(*grants).has_value();
  else if (const auto* take = std::get_if<Take>(&change))
    is_done = rows.take(take->shards, take->node, take->incarnation).has_value();
  else
    is_done = rows.commit(std::get<storage::Batch>(change)).has_value();
  EPIC_ASSERT(is_done, "a change that was made once cannot be made again");
}

}  // namespace epic::cluster::sim
