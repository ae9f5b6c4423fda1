#include "kernel/mail/reminders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "kernel/errors.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

std::int64_t saturated_sum(std::int64_t one, std::int64_t other) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(one, other, &sum)) return other > 0 ? INT64_MAX : INT64_MIN;
  return sum;
}

/// The first time after `now_ns` on the grid that `due_ns` is on, and how many of its times lie in between.
NextDue next_on_grid(std::int64_t due_ns, std::int64_t every_ns, std::int64_t now_ns) {
  using Wide = __int128;
  const Wide late_ns = std::max<Wide>(Wide{now_ns} - due_ns, 0);
  const Wide steps = late_ns / every_ns;
  const Wide next_ns = due_ns + (steps + 1) * every_ns;
  return {next_ns > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(next_ns), static_cast<std::uint64_t>(steps)};
}

/// Whether it is about this reminder.
bool is_about(const Operation& operation, const ReminderName& reminder) {
  const auto is_it = [&](const ReminderName& name) {
    return name.type == reminder.type && name.key == reminder.key && (name.name == reminder.name || name.name.empty());
  };
  if (const auto* const set = std::get_if<SetReminder>(&operation)) return is_it(set->reminder.name);
  if (const auto* const forget = std::get_if<ForgetReminder>(&operation)) return is_it(forget->name);
  if (const auto* const advance = std::get_if<AdvanceReminder>(&operation)) return is_it(advance->name);
  return false;
}

/// The entity has changed the reminder, and that is in no batch yet.
bool has_unsealed_change(const Activation& activation, const ReminderName& reminder) {
  if (activation.is_erased) return true;
  return Saving::has_mail(activation) &&
         std::ranges::any_of(activation.rare->mail, [&](const Operation& one) { return is_about(one, reminder); });
}

void check_name(std::string_view name) {
  if (name.empty() || name.size() > limits::kReminderNameBytesMax)
    throw std::invalid_argument(
        fmt::format("epic::remind() and epic::forget(): the name of a reminder has 1 to {} "
                    "bytes, and this one has {}",
                    limits::kReminderNameBytesMax, name.size()));
}

ReminderName name_of(const Activation& activation, std::string_view name) {
  return {.type = std::string(activation.type->info->stored_name()),
          .key = std::string(activation.name->key()),
          .name = std::string(name)};
}

const reflect::MethodInfo& get_method(const Activation& activation, const detail::MethodPointer& pointer) {
  for (const reflect::MethodInfo* const method : activation.type->info->methods)
    if (method->is_method(pointer.type, pointer.pointer)) return *method;
  throw std::logic_error(
      fmt::format("epic::remind(): the method is not one of {}'s. A reminder calls a method of the entity's own class "
                  "that is listed in methods(...) of its EPIC_ENTITY",
                  activation.type->info->type_name));
}

}  // namespace

NextDue next_due(std::int64_t due_ns, std::int64_t every_ns, std::int64_t now_ns) {
  return every_ns > 0 ? next_on_grid(due_ns, every_ns, now_ns) : NextDue{};
}

std::int64_t first_due(std::int64_t first_ns, std::int64_t every_ns, std::int64_t now_ns) {
  if (first_ns >= now_ns || every_ns <= 0) return first_ns;
  return *next_on_grid(first_ns, every_ns, now_ns).due_ns;
}

Reminders::Reminders(const Uses& uses)
    : uses_(uses),
      known_max_(std::clamp(limits::kRemindersKnownInAll / std::max<std::size_t>(uses.shard_count, 1),
                            limits::kRemindersKnownMin, limits::kRemindersKnownMax)) {}

// ---- by entities ----

Activation& Reminders::entity_here(std::string_view function) const {
  const Record* const current = uses_.scheduler.current;
  Activation* const activation = activation_of(current);
  if (activation == nullptr || activation->entity == nullptr)
    throw std::logic_error(
        fmt::format("{} is about reminders of an entity: use it in the entity's methods or hooks", function));
  if (current->is_read_only)
    throw std::logic_error(fmt::format("{} was used in a const method, which must not change anything", function));
  if (!uses_.has_shared_store)
    throw std::logic_error(
        fmt::format("{} needs a store that outlives its node, and in this project each node has its own in memory: set "
                    "store = \"sqlite\" in epic.toml",
                    function));
  if (!activation->type->is_stored)
    throw std::logic_error(
        fmt::format("{}: {} has no saved state, so there is nowhere to record that the reminder took effect; use a "
                    "timer (epic::after, epic::every)",
                    function, activation->type->info->type_name));
  return *activation;
}

void Reminders::remind(std::string_view name, const detail::ReminderTime& first, std::int64_t every_ns,
                       const detail::MethodPointer& pointer, const void* arguments) {
  Activation& activation = entity_here("epic::remind()");
  check_name(name);
  const reflect::MethodInfo& method = get_method(activation, pointer);
  const std::int64_t now_ns = uses_.scheduler.wall_ns;
  SetReminder set{.reminder = {.name = name_of(activation, name),
                               .shard = activation.shard,
                               .due_ns = 0,
                               .first_ns = first.is_from_now ? saturated_sum(now_ns, first.ns) : first.ns,
                               .every_ns = every_ns,
                               .method = std::string(method.name),
                               .schema = uses_.outbox.schema_of_arguments(method),
                               .arguments = {}},
                  .start = first.is_from_now ? ReminderStart::from_now : ReminderStart::at_time};
  Reminder& reminder = set.reminder;
  reminder.due_ns = first_due(reminder.first_ns, every_ns, now_ns);
  std::string too_large;
  try {
    uses_.codec.encode(method.arguments(), arguments, reminder.arguments);
    if (reminder.arguments.size() > limits::kReminderArgumentsBytesMax)
      too_large = fmt::format("its arguments have {} bytes, and {} is the most", reminder.arguments.size(),
                              limits::kReminderArgumentsBytesMax);
  } catch (const std::length_error& error) {
    too_large = error.what();
  }
  if (!too_large.empty())
    throw Error(ErrorCode::bad_arguments, fmt::format("the reminder '{}' was not set: {}", name, too_large));
  const auto known = entries_.find(reminder.name);
  if (known != entries_.end() && activation.type->info->find_method(known->second.row.method) == &method)
    reminder.method = known->second.row.method;  // perhaps a former name of it, which makes no other reminder
  if (known != entries_.end() && is_equal(set, known->second.row) && !has_unsealed_change(activation, reminder.name))
    return;
  check_room(activation, name);
  uses_.saving.add(activation, std::move(set));
}

/// For one with this name, which replaces the one that has it.
void Reminders::check_room(const Activation& activation, std::string_view name) {
  if (activation.rare == nullptr || activation.rare->reminders.size() < limits::kRemindersOfEntityMax) return;
  if (activation.rare->reminders.contains(name)) return;
  throw Overloaded(
      fmt::format("the reminder '{}' was not set: {}/{} has {} reminders, and that is the most. Forget those that it "
                  "does not need any more (epic::forget), or give them to several entities",
                  name, activation.type->info->type_name, activation.name->key(), activation.rare->reminders.size()));
}

void Reminders::forget(std::string_view name) {
  Activation& activation = entity_here("epic::forget()");
  check_name(name);
  uses_.saving.add(activation, ForgetReminder{name_of(activation, name), activation.shard});
}

// ---- what there is ----

void Reminders::on_shard(ShardId shard) {
  drop(shard);
  Box& box = boxes_[shard] = Box{.epoch = uses_.routing.epoch_of(shard)};
  read(shard, box);
}

void Reminders::on_map() {
  std::vector<ShardId> left;
  for (const auto& [shard, box] : boxes_)
    if (uses_.routing.epoch_of(shard) != box.epoch) left.push_back(shard);
  for (const ShardId shard : left) drop(shard);
}

void Reminders::drop(ShardId shard) {
  const auto found = boxes_.find(shard);
  if (found == boxes_.end()) return;
  Box& box = found->second;
  while (!box.places.empty()) remove(box, entries_.find(box.places.begin()->name));
  boxes_.erase(found);
  changed_.erase(shard);
  std::erase_if(late_, [shard](const auto& one) { return one.second.first == shard; });
  std::erase_if(failed_, [shard](const auto& one) { return one.second == shard; });
  std::erase_if(aside_, [shard](const auto& one) { return one.second == shard; });
}

/// Null: the shard is not ours, or its new tenure has not begun here.
Reminders::Box* Reminders::find_box(ShardId shard) {
  const auto found = boxes_.find(shard);
  return found == boxes_.end() || found->second.epoch != uses_.routing.epoch_of(shard) ? nullptr : &found->second;
}

/// Its row is in the store once that is durable, and to be read then.
void Reminders::add_late(Box& box, CommitNumber number, ShardId shard, const ReminderPlace& place) {
  late_.emplace(number, std::pair(shard, place));
  ++box.late_count;
}

bool Reminders::is_all_known(const Box& box) {
  return !box.known_up_to && !box.is_reading && box.late_count == 0 && !box.has_aside && !box.has_damaged;
}

bool Reminders::may_have(const Activation& activation) const {
  const auto box = boxes_.find(activation.shard);
  if (box == boxes_.end() || !is_all_known(box->second)) return true;
  const ReminderName first = name_of(activation, {});
  const auto next = entries_.lower_bound(first);
  return next != entries_.end() && next->first.type == first.type && next->first.key == first.key;
}

void Reminders::read(ShardId shard, Box& box) {
  if (!box.known_up_to || box.is_reading) return;
  box.is_reading = true;
  box.read_at = uses_.saving.durable();
  uses_.syscalls.load_reminders({shard, box.epoch}, *box.known_up_to, known_max_);
}

/// Half of them are used up. Those that were advanced past `known_up_to` are of no use: others are due before them.
void Reminders::refill(ShardId shard, Box& box) {
  if (!box.known_up_to) return;
  const auto next_end = box.places.upper_bound(*box.known_up_to);
  if (static_cast<std::size_t>(std::distance(box.places.begin(), next_end)) < known_max_ / 2) read(shard, box);
}

/// What is due at `place` is to be read by a reading that has not begun yet.
void Reminders::move_back(Box& box, const ReminderPlace& place) {
  const ReminderPlace before{.due_ns = place.due_ns, .name = {}};
  std::optional<ReminderPlace>& from = box.is_reading ? box.back_to : box.known_up_to;
  if (!from || before < *from) from = before;
}

void Reminders::on_loaded(const ShardEpoch& tenure, std::expected<ReminderPage, std::string> page) {
  Box* const box = find_box(tenure.shard);
  if (box == nullptr || box->epoch != tenure.epoch) return;
  box->is_reading = false;
  const auto back_to = std::exchange(box->back_to, std::nullopt);
  if (!page) {
    if (back_to) move_back(*box, *back_to);
    uses_.syscalls.log(LogLevel::error, {},
                       fmt::format("the reminders of shard {} cannot be read: {}", tenure.shard, page.error()));
    failed_.emplace(uses_.scheduler.ns_from_now(limits::kRemindersReadAgain.count()), tenure.shard);
    return;
  }
  for (const std::string& why : page->damaged) uses_.syscalls.log(LogLevel::error, {}, why);
  box->has_damaged = box->has_damaged || !page->damaged.empty();
  for (SchemaText& schema : page->schemas)
    schema_texts_.try_emplace(schema.id, schema.text.empty() ? "the store does not have it" : std::move(schema.text));
  if (page->is_last)
    box->known_up_to.reset();
  else
    box->known_up_to = page->next;
  const auto has_changed = [&](const ReminderName& name) {
    const auto found = box->changed.find(name);
    return found != box->changed.end() && found->second > box->read_at;
  };
  for (const Reminder& row : page->rows) {
    const ReminderName all{.type = row.name.type, .key = row.name.key, .name = {}};
    if (!entries_.contains(row.name) && !has_changed(row.name) && !has_changed(all)) put(*box, row);
  }
  trim(tenure.shard, *box);
  prune(*box);
  if (back_to && (!box->known_up_to || *back_to < *box->known_up_to)) {
    move_back(*box, *back_to);
    read(tenure.shard, *box);
  }
  refill(tenure.shard, *box);
}

// ---- in memory ----

void Reminders::put(Box& box, const Reminder& row) {
  const auto entry = entries_.emplace(row.name, Entry{.row = row}).first;
  box.places.insert(place_of(row));
  look_at(entry, row.due_ns);
}

Reminders::Entries::iterator Reminders::remove(Box& box, Entries::iterator entry) {
  box.places.erase(place_of(entry->second.row));
  due_.erase({entry->second.look_at_ns, entry->first});
  return entries_.erase(entry);
}

void Reminders::set_due(Box& box, Entries::iterator entry, std::int64_t due_ns) {
  box.places.erase(place_of(entry->second.row));
  entry->second.row.due_ns = due_ns;
  box.places.insert(place_of(entry->second.row));
  look_at(entry, due_ns);
}

/// It is nobody's from here on, and taken when it is time.
void Reminders::look_at(Entries::iterator entry, std::int64_t look_at_ns) {
  due_.erase({entry->second.look_at_ns, entry->first});
  entry->second.taken_as = 0;
  entry->second.look_at_ns = look_at_ns;
  due_.emplace(look_at_ns, entry->first);
}

/// Those that are due last make room.
void Reminders::trim(ShardId shard, Box& box) {
  while (box.places.size() > known_max_) {
    const ReminderPlace last = *box.places.rbegin();
    const auto entry = entries_.find(last.name);
    if (entry->second.taken_as != 0) return;
    move_back(box, last);
    unload(shard, box, entry);
  }
}

/// It is to be read again, once its row is written.
void Reminders::unload(ShardId shard, Box& box, Entries::iterator entry) {
  const auto changed = box.changed.find(entry->first);
  if (changed != box.changed.end() && !uses_.saving.is_durable(changed->second))
    add_late(box, changed->second, shard, place_of(entry->second.row));
  remove(box, entry);
}

// ---- changes ----

/// Readings that began before it was durable may return the row as it was.
void Reminders::note(Box& box, ShardId shard, const ReminderName& name, CommitNumber number) {
  box.changed[name] = number;
  changed_.insert(shard);
}

void Reminders::prune(Box& box) {
  if (box.is_reading) return;
  std::erase_if(box.changed, [this](const auto& one) { return uses_.saving.is_durable(one.second); });
}

void Reminders::on_sealed(CommitNumber number, const std::vector<Operation>& changes) {
  std::set<ShardId> shards;
  const auto apply = [&](const auto& change, const ReminderName& name, ShardId shard) {
    Box* const box = find_box(shard);
    if (box == nullptr) return;
    note(*box, shard, name, number);
    on_sealed(*box, number, change);
    shards.insert(shard);
  };
  for (const Operation& change : changes) {
    if (const auto* const set = std::get_if<SetReminder>(&change)) apply(*set, set->reminder.name, set->reminder.shard);
    if (const auto* const forget = std::get_if<ForgetReminder>(&change)) apply(*forget, forget->name, forget->shard);
    if (const auto* const advance = std::get_if<AdvanceReminder>(&change))
      apply(*advance, advance->name, advance->shard);
  }
  for (const ShardId shard : shards) {
    Box& box = boxes_.at(shard);
    trim(shard, box);
    refill(shard, box);
  }
}

/// Whether it has changed anything is known only of a reminder in memory, and of one that is known not to be there.
void Reminders::on_sealed(Box& box, CommitNumber number, const SetReminder& set) {
  const Reminder& reminder = set.reminder;
  const auto known = entries_.find(reminder.name);
  if (known != entries_.end()) {
    if (is_equal(set, known->second.row)) return;
    remove(box, known);
    put(box, reminder);
  } else if (is_all_known(box)) {
    put(box, reminder);
  } else {
    add_late(box, number, reminder.shard, place_of(reminder));
  }
}

void Reminders::on_sealed(Box& box, CommitNumber number, const ForgetReminder& forget) {
  if (!forget.name.name.empty()) {
    if (const auto known = entries_.find(forget.name); known != entries_.end()) remove(box, known);
    return;
  }
  static_cast<void>(number);
  auto at = entries_.lower_bound(forget.name);
  while (at != entries_.end() && at->first.type == forget.name.type && at->first.key == forget.name.key)
    at = remove(box, at);
}

void Reminders::on_sealed(Box& box, CommitNumber number, const AdvanceReminder& advance) {
  const auto known = entries_.find(advance.name);
  if (known != entries_.end()) {
    if (advance.next_ns)
      set_due(box, known, *advance.next_ns);
    else
      remove(box, known);
  } else if (advance.next_ns) {
    add_late(box, number, advance.shard, ReminderPlace{*advance.next_ns, advance.name});
  }
}

void Reminders::on_durable(CommitNumber number) {
  std::set<ShardId> shards;
  const auto end = late_.upper_bound(number);
  for (auto one = late_.begin(); one != end; one = late_.erase(one)) {
    const auto& [shard, place] = one->second;
    Box& box = boxes_.at(shard);
    --box.late_count;
    if (!box.is_reading && box.known_up_to && *box.known_up_to < place) continue;  // it is still to be read
    move_back(box, place);
    shards.insert(shard);
  }
  for (const ShardId shard : shards)
    if (Box* const box = find_box(shard)) read(shard, *box);
  std::erase_if(changed_, [this](ShardId shard) {
    Box* const box = find_box(shard);
    if (box == nullptr) return true;
    prune(*box);
    return box->changed.empty();
  });
}

// ---- what is due ----

std::vector<Reminders::Due> Reminders::take_due(std::size_t most) {
  std::vector<Due> taken;
  if (uses_.admission.is_draining) return taken;  // the next owner's
  while (taken.size() < most && !due_.empty() && due_.begin()->first <= uses_.scheduler.wall_ns) {
    const ReminderName name = due_.extract(due_.begin()).value().second;
    Entry& entry = entries_.at(name);
    entry.taken_as = next_number_++;
    const auto schema = schema_texts_.find(entry.row.schema);
    taken.push_back({.occurrence = {.name = name, .shard = entry.row.shard, .number = entry.taken_as},
                     .reminder = entry.row,
                     .schema_text = schema == schema_texts_.end() ? std::string() : schema->second});
  }
  return taken;
}

bool Reminders::is_current(const Occurrence& occurrence) const {
  const auto found = entries_.find(occurrence.name);
  return found != entries_.end() && found->second.taken_as == occurrence.number;
}

std::optional<Reminders::Begun> Reminders::begin(const Occurrence& occurrence, const Activation& activation) {
  if (!is_current(occurrence)) return std::nullopt;
  const auto entry = entries_.find(occurrence.name);
  const Reminder& row = entry->second.row;
  const std::int64_t now_ns = uses_.scheduler.wall_ns;
  if (has_unsealed_change(activation, occurrence.name)) {  // if that is undone, it is due again
    look_at(entry, saturated_sum(now_ns, limits::kMailDelay.count()));
    return std::nullopt;
  }
  const NextDue next = next_due(row.due_ns, row.every_ns, now_ns);
  return Begun{.advance = {.name = row.name, .shard = row.shard, .due_ns = row.due_ns, .next_ns = next.due_ns},
               .missed = next.missed};
}

void Reminders::set_aside(const Occurrence& occurrence) {
  Box* const box = find_box(occurrence.shard);
  if (box == nullptr || !is_current(occurrence)) return;
  if (!std::exchange(box->has_aside, true))
    aside_.emplace(uses_.scheduler.ns_from_now(limits::kRemindersReadAgain.count()), occurrence.shard);
  unload(occurrence.shard, *box, entries_.find(occurrence.name));
  refill(occurrence.shard, *box);
}

// ---- time ----

void Reminders::on_time() {
  while (!aside_.empty() && aside_.begin()->first <= uses_.scheduler.now_ns) {
    const ShardId shard = aside_.extract(aside_.begin()).mapped();
    Box* const box = find_box(shard);
    if (box == nullptr) continue;
    box->has_aside = false;
    move_back(*box, ReminderPlace{});
    read(shard, *box);
  }
  while (!failed_.empty() && failed_.begin()->first <= uses_.scheduler.now_ns) {
    const ShardId shard = failed_.extract(failed_.begin()).mapped();
    if (Box* const box = find_box(shard)) read(shard, *box);
  }
}

std::optional<std::int64_t> Reminders::next_timer_ns() const {
  std::optional<std::int64_t> next;
  if (!failed_.empty()) next = failed_.begin()->first;
  if (!aside_.empty()) next = std::min(next.value_or(INT64_MAX), aside_.begin()->first);
  if (due_.empty() || uses_.admission.is_draining) return next;
  // The wall clock may be set while nothing happens.
  const std::int64_t wait_ns = std::clamp<std::int64_t>(saturated_sum(due_.begin()->first, -uses_.scheduler.wall_ns), 0,
                                                        limits::kWallClockLookEvery.count());
  return std::min(next.value_or(INT64_MAX), uses_.scheduler.ns_from_now(wait_ns));
}

}  // namespace epic::kernel
