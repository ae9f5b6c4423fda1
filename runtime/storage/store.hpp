#pragma once
// Store: where snapshots, mail, reminders and answers are kept, and the fence that keeps a former owner from writing.
//
// A shard's row names the node that the supervisor has granted it to, by its incarnation, and holds the epoch, which
// rises each time a granted node takes the shard. A batch is one transaction that first checks both, for every shard
// that it touches. So a node that has lost a shard without knowing cannot write to it, from the moment the grant to
// another is written; and a node that nobody granted a shard to cannot take it. What commit() returned is durable.
//
//   supervisor: grant ─▶ publish the map ─▶ node: take ─▶ commit, commit, …
//
// Calls block, and are made by one thread at a time (but sync()); several processes open the same store.
// Implementations: sqlite_store.hpp (one database a fabric), memory_store.hpp (tests, throw-away fabrics). They are
// opened through open_store.hpp.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/batch.hpp"
#include "kernel/ids.hpp"
#include "kernel/placement.hpp"

namespace epic::storage {

// What is read at once when a store is listed: whichever comes first. A state has at most 8 MiB, so a page holds 9 MiB
// at most.
inline constexpr std::size_t kPageRowsMax = 256;
inline constexpr std::size_t kPageBytesMax = 1 << 20;

enum class StoreErrorCode : std::uint8_t {
  lost_ownership,  // a shard of the batch is another's now, or at another epoch: nothing was written
  conflict,        // an operation would affect another number of rows than it states: nothing was written
  not_granted,     // take(): no grant names the caller; grant(): a later term rules, or another holds the shard
  full,            // no space: nothing was written, may be retried
  displaced,       // a file of the store is not the one that was opened: what was written since is not acknowledged
  marked,          // something acknowledged may be missing: refused until a person accepts it (store_mark.hpp)
  busy,            // it is locked by another program, or cannot be reached: nothing was written, may be retried
  unsure,          // unknown whether it was written: the next call finds out, may be retried (see write_next())
  io,              // unknown whether it was written: the caller must end the process
  corrupt,         // the row or file is not what was written
  incompatible,    // another format version, hash or shard count
  not_found,       // the file or directory does not exist
};

/// The same call may succeed later, on the same store.
[[nodiscard]] constexpr bool may_be_retried(StoreErrorCode code) {
  return code == StoreErrorCode::full || code == StoreErrorCode::busy || code == StoreErrorCode::displaced ||
         code == StoreErrorCode::unsure;
}

/// No process can go on with the store before a person has done something about it.
[[nodiscard]] constexpr bool ends_fabric(StoreErrorCode code) {
  return code == StoreErrorCode::marked || code == StoreErrorCode::corrupt;
}

struct StoreError {
  StoreErrorCode code;
  std::string message;                        // sentences with the path and what to do
  std::optional<std::size_t> operation = {};  // conflict: its place in the batch
};

enum class OpenMode : std::uint8_t {
  create,     // creates the store if it is missing; the directory must exist
  existing,   // `not_found` if it is missing
  read_only,  // changes nothing and takes no lock; beside a running fabric, or in a read-only directory
};

// The kernel's types, under the store's own names.
using kernel::AdvanceReminder;
using kernel::Answer;
using kernel::AnswerEnd;
using kernel::AnswerId;
using kernel::AnswerStatus;
using kernel::Batch;
using kernel::EndAnswer;
using kernel::EndMail;
using kernel::EraseSnapshot;
using kernel::ForgetReminder;
using kernel::Mail;
using kernel::MailPage;
using kernel::MailStatus;
using kernel::MarkMail;
using kernel::Operation;
using kernel::PutAnswer;
using kernel::PutMail;
using kernel::PutSnapshot;
using kernel::Reminder;
using kernel::ReminderName;
using kernel::ReminderPage;
using kernel::ReminderPlace;
using kernel::SchemaText;
using kernel::SetReminder;
using kernel::ShardEpoch;
using kernel::SweepAnswers;

/// Gives a shard to a node.
struct Grant {
  kernel::ShardId shard;
  kernel::NodeId node;
  kernel::Incarnation incarnation;
  kernel::Incarnation former;  // which the row names now; it has released the shard, or is dead. 0: none
};

/// All that one change of the shard map gives.
struct Grants {
  kernel::Term term;  // the supervisor's
  kernel::MapVersion map_version;
  std::vector<Grant> list;
};

/// The saved state of an entity.
struct Snapshot {
  std::string type;
  std::string key;
  kernel::ShardId shard;
  kernel::Version version;
  kernel::SchemaId schema;
  std::chrono::system_clock::time_point saved_at;
  std::vector<std::byte> bytes;
};

struct StoreIdentity {
  std::uint32_t format_version;                        // of what was opened; a store that is written is migrated first
  kernel::Placement placement = kernel::ungrouped(0);  // of everything in it
  std::optional<std::uint32_t> migrated_from = {};     // this opening has migrated it, from this format
  bool is_old_format = false;                          // it is read as it is; the first writer migrates it
};

/// A row that cannot be read.
struct DamagedRow : StoreError {
  std::string type;
  std::string key;
};

struct ListFilter {
  std::string type = {};        // empty: all
  std::string key_prefix = {};  // empty: all
  std::string after_key = {};   // with `type`: only keys that come after this one
  std::uint64_t limit = UINT64_MAX;
};

struct TypeCount {
  std::string type;
  std::uint64_t entities;
  std::uint64_t bytes;
};

struct SchemaCount {
  std::string type;
  kernel::SchemaId schema;
  std::uint64_t entities;
};

/// Which messages to list.
struct MailFilter {
  std::optional<MailStatus> status = {};  // empty: all
  std::string type = {};                  // of the receiver; empty: all
  std::string key = {};                   // with `type`; empty: all
  std::uint64_t limit = UINT64_MAX;
};

struct MailCounts {
  std::uint64_t waiting = 0;
  std::uint64_t begun = 0;
  std::uint64_t dead = 0;
};

/// A message that is stored under an id.
struct FoundMail {
  Mail mail;
  std::optional<std::string> damage = {};  // a sentence; of `mail` only the id and the receiver's shard count
};

/// A message that cannot be read.
struct DamagedMail : StoreError {
  std::uint64_t place = 0;
};

/// Which reminders to list.
struct ReminderFilter {
  std::string type = {};  // stored name; empty: all
  std::string key = {};   // with `type`; empty: all
  std::uint64_t limit = UINT64_MAX;
};

/// A reminder that cannot be read.
struct DamagedReminder : StoreError {
  ReminderName name;
};

enum class Visit : std::uint8_t { go_on, stop };

/// The source of `saved_at`; the simulator passes in its own.
using WallClock = std::function<std::chrono::system_clock::time_point()>;

class Store {
 public:
  virtual ~Store() = default;

  /// Writes grants, in one transaction. Others see them on return; a power cut may take them back until one of the
  /// grantees has taken its shards. Grants that are there already do no harm, so this may be repeated. `not_granted`,
  /// and nothing is written, if a row is under a later term, or names neither `former` nor the grantee.
  [[nodiscard]] virtual std::expected<void, StoreError> grant(const Grants& grants) = 0;

  /// Raises the epoch of each shard, in one durable transaction. Returns the new epochs. `not_granted`, and nothing is
  /// changed, unless every row names this node and incarnation.
  [[nodiscard]] virtual std::expected<std::vector<ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                                kernel::NodeId node,
                                                                                kernel::Incarnation incarnation) = 0;

  /// Called once, as late as possible: when it is this store's turn to write. Its result must live until the end.
  using NextBatch = std::function<const Batch&()>;
  /// All or nothing. Visible to others on return, but a power cut may undo it until sync() has returned. After
  /// `unsure`, the next call returns without asking for a batch if that one turns out to be written; so it must be the
  /// next.
  [[nodiscard]] virtual std::expected<void, StoreError> write_next(const NextBatch& next) = 0;
  /// Makes everything written by write_next() before durable. Any thread, even while another holds the store. After an
  /// error it is unknown what is durable, and this and every later change is refused; but `displaced` may end, so this
  /// may be called again.
  [[nodiscard]] virtual std::expected<void, StoreError> sync() = 0;
  /// All or nothing, durable on return.
  [[nodiscard]] std::expected<void, StoreError> commit(const Batch& batch) {
    auto written = write_next([&]() -> const Batch& { return batch; });
    return written ? sync() : written;
  }

  /// Empty: nothing is saved. `corrupt` concerns this entity only.
  [[nodiscard]] virtual std::expected<std::optional<Snapshot>, StoreError> load(std::string_view type,
                                                                                std::string_view key) = 0;

  /// The largest version that an erased entity of the shard had. Entities without a row go on from there, so that a
  /// version is never used twice for different states; erased ones leave nothing else behind.
  [[nodiscard]] virtual std::expected<kernel::Version, StoreError> version_floor(kernel::ShardId shard) = 0;

  [[nodiscard]] virtual std::expected<std::optional<std::string>, StoreError> schema(kernel::SchemaId id) = 0;

  /// Visits snapshots by type, then key, with bounded memory. The bytes are checked; a corrupt row, or one on a corrupt
  /// page, is reported through `on_corrupt` and skipped.
  [[nodiscard]] virtual std::expected<void, StoreError> list(
      const ListFilter& filter, const std::function<Visit(const Snapshot&)>& visit,
      const std::function<void(const DamagedRow&)>& on_corrupt) = 0;

  /// The messages to a shard that are not dead and come after the place `after`, in order: as many as a page holds, at
  /// least one. Without their schemas' texts. A row that cannot be read is named there and skipped.
  [[nodiscard]] virtual std::expected<MailPage, StoreError> mail_of(kernel::ShardId shard, std::uint64_t after) = 0;
  /// Visits messages in the order in which they became visible, with bounded memory.
  [[nodiscard]] virtual std::expected<void, StoreError> list_mail(
      const MailFilter& filter, const std::function<Visit(const Mail&)>& visit,
      const std::function<void(const DamagedMail&)>& on_corrupt) = 0;
  [[nodiscard]] virtual std::expected<std::optional<FoundMail>, StoreError> find_mail(const kernel::MailId& id) = 0;
  [[nodiscard]] virtual std::expected<MailCounts, StoreError> count_mail() = 0;

  /// Empty: the key was not used, or its answer has been swept. `corrupt` concerns this answer only.
  [[nodiscard]] virtual std::expected<std::optional<Answer>, StoreError> answer(const AnswerId& id) = 0;
  /// When the oldest answer of the shard was begun, by the wall clock in nanoseconds; empty: there is none.
  [[nodiscard]] virtual std::expected<std::optional<std::int64_t>, StoreError> oldest_answer(kernel::ShardId shard) = 0;

  /// The reminders of a shard that come after the place `after`, in order: at most `limit`, and as many as a page
  /// holds, at least one. Without their schemas' texts. A row that cannot be read is named there and skipped.
  [[nodiscard]] virtual std::expected<ReminderPage, StoreError> reminders_of(kernel::ShardId shard,
                                                                             const ReminderPlace& after,
                                                                             std::size_t limit) = 0;
  /// The names of an entity's reminders, at most `limit`.
  [[nodiscard]] virtual std::expected<std::vector<std::string>, StoreError> reminder_names(std::string_view type,
                                                                                           std::string_view key,
                                                                                           std::size_t limit) = 0;
  /// Visits reminders by type, key and name, with bounded memory.
  [[nodiscard]] virtual std::expected<void, StoreError> list_reminders(
      const ReminderFilter& filter, const std::function<Visit(const Reminder&)>& visit,
      const std::function<void(const DamagedReminder&)>& on_corrupt) = 0;
  [[nodiscard]] virtual std::expected<std::uint64_t, StoreError> count_reminders() = 0;

  /// Opens another store of the same content, for reading beside this one. Any thread, also after this one is closed.
  using OpenReader = std::function<std::expected<std::unique_ptr<Store>, StoreError>()>;
  [[nodiscard]] virtual OpenReader reader_opener() const = 0;

  /// Everything read until end_moment() is of this one moment, however long that takes and whatever others write. A
  /// store on disk keeps their writes in its log meanwhile, which grows accordingly; one in memory copies itself. Not
  /// allowed for a store opened for writing.
  [[nodiscard]] virtual std::expected<void, StoreError> begin_moment() = 0;
  virtual void end_moment() = 0;
  /// Ends the moment and begins another, if this one has kept so much from leaving the log that writers may have to
  /// wait for it. True if so: what is read from here on is of the later moment.
  [[nodiscard]] virtual std::expected<bool, StoreError> try_move_on() { return false; }

  /// Without bytes if a corrupt page prevents counting them.
  [[nodiscard]] virtual std::expected<std::vector<TypeCount>, StoreError> count_by_type() = 0;

  /// By type. Damaged snapshots are counted if possible without reading them.
  [[nodiscard]] virtual std::expected<std::vector<SchemaCount>, StoreError> count_by_schema();

  /// What is known of a shard: to whom it was granted last, and how often it was taken.
  struct ShardRow {
    kernel::ShardId shard;
    kernel::Epoch epoch = {};
    kernel::NodeId node = {};
    kernel::Incarnation incarnation = {};
    kernel::MapVersion map_version = {};  // that gave it
    kernel::Term term = {};
  };
  /// Of every shard that was ever granted, by number.
  [[nodiscard]] virtual std::expected<std::vector<ShardRow>, StoreError> shards() = 0;

  [[nodiscard]] virtual const StoreIdentity& identity() const = 0;

  /// `displaced` if a file of the store is not the one that was opened; until that ends, writing is refused. If only
  /// what can be copied from memory is gone, it is copied. `marked` if something acknowledged may be gone for good;
  /// that does not end. Called twice a second, unless there are no files.
  [[nodiscard]] virtual std::expected<void, StoreError> check_files() { return {}; }
  [[nodiscard]] virtual bool has_files() const { return true; }

  /// Maintenance that must not delay a commit, such as moving a log into the main file. A storage worker calls it when
  /// idle, and between two commits as soon as wants_maintenance() returns true. An error is as serious as one of a
  /// commit.
  [[nodiscard]] virtual bool wants_maintenance() const { return false; }
  [[nodiscard]] virtual std::expected<void, StoreError> maintain() { return {}; }
};

}  // namespace epic::storage
