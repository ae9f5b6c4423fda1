#include "cluster/supervisor/quarantine.hpp"

#include <algorithm>

namespace epic::cluster {

Quarantine::Entry Quarantine::entry_of(const std::string& entity, const Suspect& suspect, Time now) {
  return {.entity = entity,
          .method = suspect.method,
          .deaths = suspect.deaths,
          .left = std::chrono::ceil<std::chrono::seconds>(suspect.until - now)};
}

void Quarantine::forget_old(Time now) {
  std::erase_if(suspects_, [now](const auto& entry) {
    const Suspect& suspect = entry.second;
    return now - suspect.last > (suspect.wait.count() == 0 ? kDeathsWithin : suspect.wait + kLongest);
  });
  if (suspects_.size() < kSuspectsMax) return;
  suspects_.erase(std::ranges::min_element(suspects_, {}, [](const auto& entry) { return entry.second.last; }));
}

std::optional<Quarantine::Entry> Quarantine::on_death(const std::string& entity, const std::string& method, Time now,
                                                      std::chrono::milliseconds blocked) {
  forget_old(now - blocked);
  Suspect& suspect = suspects_[entity];
  suspect.method = method;
  suspect.last = now;
  ++suspect.deaths;
  suspect.blocked += blocked;
  suspect.recent.push_back(now - suspect.blocked);
  while (suspect.recent.back() - suspect.recent.front() > kDeathsWithin) suspect.recent.pop_front();
  if (suspect.wait.count() == 0 && suspect.recent.size() < kDeathsMax) return std::nullopt;
  suspect.wait = suspect.wait.count() == 0 ? kFirst : std::min(suspect.wait * 2, kLongest);
  suspect.until = now + suspect.wait;
  return entry_of(entity, suspect, now);
}

bool Quarantine::release(const std::string& entity) {
  const auto found = suspects_.find(entity);
  if (found == suspects_.end() || found->second.wait.count() == 0) return false;
  suspects_.erase(found);
  return true;
}

std::vector<protocol::FabricNotes::Suspect> Quarantine::note(Time now) const {
  std::vector<protocol::FabricNotes::Suspect> noted;
  for (const auto& [entity, suspect] : suspects_) {
    noted.push_back({.entity = entity,
                     .method = suspect.method,
                     .deaths = suspect.deaths,
                     .blocked = suspect.blocked,
                     .last = now - suspect.last,
                     .left = suspect.until - now,
                     .wait = suspect.wait});
    for (const Time death : suspect.recent) noted.back().recent.push_back(now - death);
  }
  std::ranges::sort(noted, {}, &protocol::FabricNotes::Suspect::last);
  if (noted.size() > kNotedMax) noted.resize(kNotedMax);
  return noted;
}

void Quarantine::go_on(const std::vector<protocol::FabricNotes::Suspect>& noted, Time then) {
  for (const auto& one : noted) {
    Suspect suspect{.method = one.method,
                    .recent = {},
                    .blocked = std::chrono::ceil<std::chrono::milliseconds>(one.blocked),
                    .deaths = one.deaths,
                    .last = then - one.last,
                    .until = then + one.left,
                    .wait = std::chrono::ceil<std::chrono::seconds>(one.wait)};
    for (const auto ago : one.recent) suspect.recent.push_back(then - ago);
    suspects_.insert_or_assign(one.entity, std::move(suspect));
  }
}

std::vector<Quarantine::Entry> Quarantine::list(Time now) const {
  std::vector<Entry> entries;
  for (const auto& [entity, suspect] : suspects_)
    if (suspect.until > now) entries.push_back(entry_of(entity, suspect, now));
  return entries;
}

}  // namespace epic::cluster
