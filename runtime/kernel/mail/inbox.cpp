#include "kernel/mail/inbox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernel/errors.hpp"
#include "kernel/limits.hpp"
#include "reflect/schema_of.hpp"

namespace epic::kernel {

// ---- what there is ----

void Inbox::on_shard(ShardId shard) {
  Box& box = boxes_[shard] = Box{.epoch = uses_.routing.epoch_of(shard)};
  read(shard, box);
}

void Inbox::on_map() {
  std::erase_if(boxes_, [this](const auto& box) { return uses_.routing.epoch_of(box.first) != box.second.epoch; });
  std::vector<MailId> left;
  for (const auto& [id, entry] : entries_)
    if (find_box(entry.mail.to_shard) == nullptr) left.push_back(id);
  for (const MailId& id : left) erase(id);
}

/// Null: the shard is not ours, or its new tenure has not begun here.
Inbox::Box* Inbox::find_box(ShardId shard) {
  const auto found = boxes_.find(shard);
  return found == boxes_.end() || found->second.epoch != uses_.routing.epoch_of(shard) ? nullptr : &found->second;
}

bool Inbox::is_full() const { return entries_.size() >= limits::kMailKnownMax || bytes_ >= limits::kMailKnownBytesMax; }

void Inbox::read(ShardId shard, Box& box) {
  if (box.is_reading) {
    box.must_read_again = true;
    return;
  }
  if (is_full()) {
    box.has_more = true;
    hungry_.insert(shard);
    return;
  }
  box.is_reading = true;
  box.must_read_again = false;
  for (const auto& [sender, epoch] : std::exchange(box.new_senders, {})) box.asked_senders[sender] = epoch;
  uses_.syscalls.load_mail({shard, box.epoch}, box.read_up_to);
}

void Inbox::read_all() {
  for (auto& [shard, box] : boxes_)
    if (uses_.routing.epoch_of(shard) == box.epoch) read(shard, box);
}

void Inbox::on_loaded(const ShardEpoch& tenure, std::expected<MailPage, std::string> page) {
  Box* const box = find_box(tenure.shard);
  if (box == nullptr || box->epoch != tenure.epoch) return;
  box->is_reading = false;
  if (!page) {  // read again with the others
    uses_.syscalls.log(LogLevel::error, {},
                       fmt::format("the messages to shard {} cannot be read: {}", tenure.shard, page.error()));
    return;
  }
  for (const std::string& why : page->damaged) uses_.syscalls.log(LogLevel::error, {}, why);
  box->read_up_to = page->last_place;
  for (LoadedMail& row : page->rows) add(std::move(row), CommitNumber{0}, /*is_handed_over=*/false);
  if (!page->is_last) return read(tenure.shard, *box);
  box->has_more = false;
  for (const auto& [sender, epoch] : std::exchange(box->asked_senders, {})) box->known_senders[sender] = epoch;
  for (const MailId& id : std::exchange(box->passed, {})) erase(id);
  if (box->must_read_again) read(tenure.shard, *box);
}

void Inbox::on_hint(const std::vector<ShardId>& shards) {
  std::vector<ShardId> others;
  for (const ShardId shard : shards)
    if (Box* const box = find_box(shard))
      read(shard, *box);
    else
      others.push_back(shard);
  send_hints(others);
}

/// To the owners that this node knows. A hint that finds none is not missed: the next owner reads anyway.
void Inbox::send_hints(const std::vector<ShardId>& shards) {
  std::map<PeerAddress, MailHintMessage> hints;
  for (const ShardId shard : shards)
    if (const PeerAddress owner = uses_.routing.owner_of(shard); owner.life != 0 && owner != uses_.self)
      hints[owner].shards.push_back(shard);
  for (auto& [owner, hint] : hints) uses_.syscalls.send(owner, std::move(hint));
}

bool Inbox::may_hand_over(const Box& box, const Mail& mail) const {
  const auto sender = box.known_senders.find(mail.id.shard);
  return sender != box.known_senders.end() && sender->second == mail.id.epoch && !box.has_more && !is_full() &&
         !box.unread_in.contains(line_of(mail));
}

void Inbox::on_sealed(CommitNumber number, std::vector<Mail> sent) {
  for (Mail& mail : sent) {
    Box* const box = find_box(mail.to_shard);
    if (box != nullptr && may_hand_over(*box, mail)) {
      add({.mail = std::move(mail)}, number, /*is_handed_over=*/true);
      continue;
    }
    to_read_.emplace(number, mail.to_shard);
    if (box == nullptr) continue;
    box->new_senders[mail.id.shard] = mail.id.epoch;
    box->unread.insert(mail.id);
    ++box->unread_in[line_of(mail)];
  }
}

void Inbox::add(LoadedMail loaded, CommitNumber needs, bool is_handed_over) {
  const MailId id = loaded.mail.id;
  const LineName line = line_of(loaded.mail);
  if (Box* const box = find_box(loaded.mail.to_shard); box != nullptr && box->unread.erase(id) > 0)
    if (const auto unread = box->unread_in.find(line); --unread->second == 0) box->unread_in.erase(unread);
  const auto [at, is_new] = entries_.try_emplace(id);
  if (!is_new) return;
  Entry& entry = at->second;
  entry.mail = std::move(loaded.mail);
  entry.schema_text = std::move(loaded.schema_text);
  entry.order = next_order_++;
  entry.is_handed_over = is_handed_over;
  entry.needs = needs;
  bytes_ += entry.mail.arguments.size();
  if (entry.mail.status == MailStatus::begun)
    return bury(entry, nullptr, "its node ended while the method ran, after the first turn was saved");
  lines_[line].waiting.emplace(entry.order, id);
  pump_at(line, uses_.scheduler.now_ns);
}

/// What a reminder has become due for.
void Inbox::add(Reminders::Due due) {
  Reminder& reminder = due.reminder;
  const std::string name = reminder.name.type + '/' + reminder.name.key;
  const MailId id = uses_.outbox.next_id(reminder.shard);
  Entry& entry = entries_[id];
  entry.mail = {.id = id,
                .to_shard = reminder.shard,
                .from = name,
                .to = name,
                .method = std::move(reminder.method),
                .schema = reminder.schema,
                .arguments = std::move(reminder.arguments),
                .sent_at_ns = reminder.due_ns};
  entry.schema_text = std::move(due.schema_text);
  entry.order = next_order_++;
  entry.is_handed_over = true;
  entry.occurrence = std::move(due.occurrence);
  bytes_ += entry.mail.arguments.size();
  const LineName line = line_of(entry);
  lines_[line].waiting.emplace(entry.order, id);
  pump_at(line, uses_.scheduler.now_ns);
}

void Inbox::erase(MailId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  bytes_ -= entry.mail.arguments.size();
  if (const auto line = lines_.find(line_of(entry)); line != lines_.end()) {
    if (entry.state == State::under_way) line->second.is_under_way = false;
    line->second.waiting.erase(entry.order);
    if (line->second.waiting.empty()) lines_.erase(line);
  }
  entries_.erase(found);
}

// ---- a line ----

/// Looked at in this tick, or when it is time.
void Inbox::pump_at(const LineName& name, std::int64_t due_ns) { pumps_.emplace(due_ns, name); }

void Inbox::pump(const LineName& name) {
  const auto found = lines_.find(name);
  if (found == lines_.end()) return;
  Line& line = found->second;
  if (line.is_under_way || line.due_ns > uses_.scheduler.now_ns) return;
  Entry& first = entries_.at(line.waiting.begin()->second);
  if (first.occurrence && !uses_.reminders.is_current(*first.occurrence)) {
    erase(first.mail.id);
    return pump_at(name, uses_.scheduler.now_ns);
  }
  if (!uses_.routing.is_active(first.mail.to_shard) || uses_.admission.is_draining) return postpone(first);
  begin(first, line);
}

void Inbox::begin(Entry& entry, Line& line) {
  const Mail& mail = entry.mail;
  const detail::NamePtr name = detail::parse_name(mail.to);
  const TypeEntry* const type = name ? uses_.types.find(name->type()) : nullptr;
  const reflect::MethodInfo* const method = type == nullptr ? nullptr : type->info->find_method(mail.method);
  if (method == nullptr) {  // a newer module may have it, or bring it back
    if (entry.unknown_since_ns == 0) entry.unknown_since_ns = uses_.scheduler.now_ns;
    const bool may_come = uses_.scheduler.now_ns - entry.unknown_since_ns < limits::kMailMethodFor.count();
    if (may_come && !entry.occurrence) return postpone(entry);
    return give_up(entry, fmt::format("the module has no method '{}' of this class", mail.method));
  }
  if (type->local_max > 0)
    return give_up(entry, fmt::format("{} is a local class now, of which nothing is saved", type->info->type_name));
  const auto schema = find_schema(entry, *method);
  if (!schema) return give_up(entry, "the schema of its arguments cannot be read: " + schema.error());
  auto made = make_call(*method, uses_.codec, mail.arguments, **schema);
  if (!made)
    return give_up(entry, fmt::format("its arguments cannot be read: {}: {}", made.error().path, made.error().what));
  RecordRef call = std::move(*made);
  call->callee = name;
  call->timeout_ns = INT64_MAX;
  call->site = new detail::CallSite(*call);
  call->site->mail = mail.id;
  call->site->begun_ns = uses_.scheduler.now_ns;
  line.is_under_way = true;
  entry.state = State::under_way;
  entry.call = call.get();
  Record* const before = uses_.scheduler.interrupt();
  if (uses_.calls.open(*call)) {
    call->observed = entry.needs.value;
    uses_.calls.route(std::move(call));
  } else {
    on_end(*call);
  }
  uses_.scheduler.current = before;
}

std::expected<const reflect::Schema*, std::string> Inbox::find_schema(const Entry& entry,
                                                                      const reflect::MethodInfo& method) {
  const auto known = schemas_.find(entry.mail.schema);
  if (known != schemas_.end()) return &known->second;
  auto schema = entry.is_handed_over && entry.schema_text.empty()
                    ? std::expected<reflect::Schema, std::string>(reflect::schema_of(method.arguments()))
                    : reflect::Schema::parse(entry.schema_text);
  if (!schema) return std::unexpected(schema.error());
  return &schemas_.emplace(entry.mail.schema, *std::move(schema)).first->second;
}

/// It has not begun, and is tried again: soon, if only its shard is on the move; otherwise later and later.
void Inbox::postpone(const Entry& entry) {
  const LineName name = line_of(entry);
  Line& line = lines_.at(name);
  const bool is_moving = !uses_.routing.is_active(entry.mail.to_shard);
  if (!is_moving)
    line.delay_ns = std::clamp(line.delay_ns * 2, std::int64_t{limits::kMailDelay.count()},
                               std::int64_t{limits::kMailDelayMax.count()});
  line.due_ns = uses_.scheduler.ns_from_now(is_moving ? limits::kMailDelay.count() : line.delay_ns);
  pump_at(name, line.due_ns);
}

/// It will not run with this module. A message is a dead letter; a reminder stays due, and is seen to be.
void Inbox::give_up(Entry& entry, const std::string& why) {
  if (!entry.occurrence) return bury(entry, nullptr, why);
  if (given_up_.emplace(entry.occurrence->name.type, entry.mail.method).second)
    uses_.syscalls.log(LogLevel::error, uses_.types.shown(entry.mail.to),
                       fmt::format("the reminder '{}' of {} stays due (each such method is logged once): {}",
                                   entry.occurrence->name.name, uses_.types.shown(entry.mail.to), why));
  const LineName name = line_of(entry);
  uses_.reminders.set_aside(*entry.occurrence);
  erase(entry.mail.id);
  pump_at(name, uses_.scheduler.now_ns);
}

// ---- what becomes of it ----

void Inbox::on_begin(Record& call) {
  const auto found = entries_.find(*call.site->mail);
  if (found == entries_.end() || found->second.call != &call)  // of a tenure that has ended: the row is read again
    return uses_.calls.fail(call, ErrorCode::unavailable, "its shard has moved");
  Entry& entry = found->second;
  Activation& activation = *activation_of(&call);
  const LineName name = line_of(entry);
  if (entry.occurrence) {
    const auto begun = uses_.reminders.begin(*entry.occurrence, activation);
    if (!begun) {
      erase(entry.mail.id);
      pump_at(name, uses_.scheduler.now_ns);
      return uses_.calls.fail(call, ErrorCode::cancelled, "its reminder was changed meanwhile");
    }
    call.site->missed = begun->missed;
    uses_.saving.add(activation, begun->advance);
    uses_.saving.add(activation, PutMail{entry.mail});
  }
  entry.state = State::begun;
  entry.begun_in = uses_.saving.forming();
  ++counts_.begun;
  uses_.saving.add(activation,
                   MarkMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard, .status = MailStatus::begun});
  const auto at = lines_.find(name);
  at->second.is_under_way = false;
  at->second.delay_ns = at->second.due_ns = 0;
  at->second.waiting.erase(entry.order);
  if (at->second.waiting.empty())
    lines_.erase(at);
  else
    pump_at(name, uses_.scheduler.now_ns);
}

void Inbox::on_end(Record& call) {
  const auto found = entries_.find(*call.site->mail);
  if (found == entries_.end() || found->second.call != &call) return;
  Entry& entry = found->second;
  entry.call = nullptr;
  if (entry.state == State::under_way) {
    entry.state = State::waiting;
    lines_.at(line_of(entry)).is_under_way = false;
    return postpone(entry);
  }
  Activation* const activation = activation_of(&call);
  if (call.failure || call.thrown())
    return bury(entry, activation,
                (call.failure ? describe_failure(call.failure) : describe_thrown(call.thrown())).message);
  end(entry, activation, EndMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard});
}

void Inbox::on_refused(const MailId& id, const std::string& why) {
  if (const auto found = entries_.find(id); found != entries_.end()) log_death(found->second, why);
}

void Inbox::log_death(const Entry& entry, const std::string& why) {
  ++counts_.dead;
  uses_.syscalls.log(LogLevel::warn, uses_.types.shown(entry.mail.to),
                     fmt::format("the message {}.{} from {} is a dead letter: {}", uses_.types.shown(entry.mail.to),
                                 entry.mail.method, uses_.types.shown(entry.mail.from), why));
}

void Inbox::bury(Entry& entry, Activation* activation, const std::string& why) {
  log_death(entry, why);
  const LineName name = line_of(entry);
  if (const auto line = lines_.find(name); line != lines_.end() && line->second.waiting.erase(entry.order) > 0) {
    if (line->second.waiting.empty())
      lines_.erase(line);
    else
      pump_at(name, uses_.scheduler.now_ns);
  }
  end(entry, activation,
      MarkMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard, .status = MailStatus::dead, .why = why});
}

/// Its row is removed, or marked as dead, with what its method has changed.
void Inbox::end(Entry& entry, Activation* activation, Operation operation) {
  entry.state = State::ended;
  entry.call = nullptr;
  entry.ended_in = uses_.saving.forming();
  ended_.emplace(entry.ended_in, entry.mail.id);
  const bool is_carried =
      activation != nullptr && activation->entity != nullptr && activation->state <= Activation::State::stopping;
  if (is_carried && uses_.saving.replace(*activation, entry.mail.id, operation)) return;
  if (is_carried)
    uses_.saving.add(*activation, std::move(operation));
  else
    uses_.saving.add(std::move(operation));
}

void Inbox::on_undone(const std::vector<MailId>& ids) {
  for (const MailId& id : ids) {
    const auto found = entries_.find(id);
    if (found == entries_.end() || find_box(found->second.mail.to_shard) == nullptr) continue;
    Entry& entry = found->second;
    if (entry.state == State::ended) {
      const auto [begin, end] = ended_.equal_range(entry.ended_in);
      ended_.erase(std::find_if(begin, end, [&](const auto& one) { return one.second == id; }));
    }
    if (entry.begun_in < uses_.saving.forming()) {
      bury(entry, nullptr, "what it did after its first turn is undone");
      continue;
    }
    entry.state = State::waiting;
    entry.call = nullptr;
    const LineName name = line_of(entry);
    lines_[name].waiting.emplace(entry.order, id);
    pump_at(name, uses_.scheduler.now_ns);
  }
}

void Inbox::on_durable(CommitNumber number) {
  const auto ended = ended_.upper_bound(number);
  for (auto one = ended_.begin(); one != ended; one = ended_.erase(one)) {
    const auto found = entries_.find(one->second);
    if (found == entries_.end()) continue;  // its shard has left
    Box* const box = find_box(found->second.mail.to_shard);
    if (found->second.is_handed_over && box != nullptr && box->is_reading)
      box->passed.push_back(one->second);
    else
      erase(one->second);
  }
  const auto settled = settling_.upper_bound(number);
  for (auto one = settling_.begin(); one != settled; one = settling_.erase(one)) one->second();
  const auto readable = to_read_.upper_bound(number);
  std::vector<ShardId> shards;
  for (auto one = to_read_.begin(); one != readable; one = to_read_.erase(one)) shards.push_back(one->second);
  std::ranges::sort(shards);
  shards.erase(std::ranges::unique(shards).begin(), shards.end());
  if (!shards.empty()) on_hint(shards);
  if (hungry_.empty() || entries_.size() > limits::kMailKnownMax / 2 || bytes_ > limits::kMailKnownBytesMax / 2) return;
  for (const ShardId shard : std::exchange(hungry_, {}))
    if (Box* const box = find_box(shard)) read(shard, *box);
}

// ---- dead letters ----

void Inbox::settle(const std::vector<Mail>& dead, Settle how, std::function<void(std::size_t)> on_end) {
  std::size_t count = 0;
  for (const Mail& mail : dead) {
    if (mail.status != MailStatus::dead || find_box(mail.to_shard) == nullptr) continue;
    // One whose row was damaged while its method runs still needs it.
    if (const auto known = entries_.find(mail.id); known != entries_.end() && known->second.state != State::ended)
      continue;
    if (!uses_.routing.is_active(mail.to_shard) || !settled_.insert(mail.id).second) continue;
    ++count;
    uses_.saving.add(EndMail{.id = mail.id, .to_shard = mail.to_shard});
    if (how == Settle::drop) continue;
    Mail again = mail;
    again.id = uses_.outbox.next_id(mail.to_shard);
    again.status = MailStatus::waiting;
    again.why.clear();
    uses_.saving.add(PutMail{std::move(again)});
  }
  if (count == 0) return on_end(0);
  while (settled_.size() > limits::kMailSettledMax) settled_.erase(settled_.begin());
  settling_.emplace(uses_.saving.forming(), [count, on_end = std::move(on_end)] { on_end(count); });
}

// ---- time ----

void Inbox::on_time() {
  const std::int64_t now_ns = uses_.scheduler.now_ns;
  for (Reminders::Due& due : uses_.reminders.take_due(limits::kMailPerTick)) add(std::move(due));
  for (std::size_t i = 0; i < limits::kMailPerTick && !pumps_.empty() && pumps_.begin()->first <= now_ns; ++i) {
    const LineName name = pumps_.extract(pumps_.begin()).value().second;
    pump(name);
  }
  if (!must_look() || now_ns < next_look_ns_) return;
  next_look_ns_ = now_ns + limits::kMailLookEvery.count();
  read_all();
}

std::optional<std::int64_t> Inbox::next_timer_ns() const {
  if (!pumps_.empty()) return pumps_.begin()->first;
  return must_look() ? std::optional(next_look_ns_) : std::nullopt;
}

}  // namespace epic::kernel
