#include "cluster/coordination/etcd_watch.hpp"

#include <catch2/catch.hpp>

using namespace epic::cluster;

namespace {

epic::Bytes etcd_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

etcd::KeyValue etcd_entry(std::string_view key, std::string_view value, int created, int changed) {
  return {etcd_bytes("/epic/x/" + std::string(key)), etcd_bytes(value), std::to_string(created),
          std::to_string(changed)};
}

std::vector<std::string> as_text(const EtcdWatch::Changes& changes) {
  std::vector<std::string> text;
  for (const auto& [key, value] : changes) text.push_back(key + (value ? "=" + *value : " gone"));
  return text;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("etcd watch: the first read is told by key, and changes follow it in their order", "[cluster]") {
  EtcdWatch watch("/epic/x/", "m/");
  CHECK(watch.prefix() == "/epic/x/m/");
  CHECK(as_text(watch.on_read({{"7"}, {etcd_entry("m/1", "a", 6, 6), etcd_entry("m/2", "b", 3, 3)}})) ==
        Texts{"m/1=a", "m/2=b"});
  CHECK(watch.revision() == 7);

  CHECK(as_text(watch.on_events({{"", etcd_entry("m/3", "c", 9, 9)},
                                 {"DELETE", etcd_entry("m/1", "", 0, 9)},
                                 {"", etcd_entry("m/1", "d", 10, 10)}})) == Texts{"m/3=c", "m/1 gone", "m/1=d"});
  CHECK(watch.revision() == 10);
}

TEST_CASE("etcd watch: a second read tells the difference: what has gone, then what is new in the order of the puts",
          "[cluster]") {
  EtcdWatch watch("/epic/x/", "");
  static_cast<void>(watch.on_read({{"4"},
                                   {etcd_entry("a", "1", 1, 1), etcd_entry("b", "2", 2, 2), etcd_entry("c", "3", 3, 3),
                                    etcd_entry("d", "4", 4, 4)}}));
  CHECK(as_text(watch.on_read({{"20"},
                               {etcd_entry("b", "2", 2, 2), etcd_entry("c", "3", 15, 15), etcd_entry("d", "5", 4, 12),
                                etcd_entry("e", "6", 14, 14)}})) == Texts{"a gone", "c gone", "d=5", "e=6", "c=3"});
  CHECK(watch.revision() == 20);
  CHECK(watch
            .on_read({{"21"},
                      {etcd_entry("b", "2", 2, 2), etcd_entry("c", "3", 15, 15), etcd_entry("d", "5", 4, 12),
                       etcd_entry("e", "6", 14, 14)}})
            .empty());
}

TEST_CASE("etcd watch: the newest key and the number of keys say whether everything was heard", "[cluster]") {
  EtcdWatch watch("/epic/x/", "m/");
  CHECK(watch.has_heard({{"5"}, {}}));
  static_cast<void>(watch.on_read({{"7"}, {etcd_entry("m/1", "a", 6, 6), etcd_entry("m/2", "b", 3, 3)}}));
  CHECK(watch.has_heard({{"9"}, {etcd_entry("m/1", "", 6, 6)}, "2"}));
  CHECK_FALSE(watch.has_heard({{"9"}, {etcd_entry("m/3", "", 8, 8)}, "3"}));  // one was put
  CHECK_FALSE(watch.has_heard({{"9"}, {etcd_entry("m/2", "", 8, 8)}, "2"}));  // one was replaced
  CHECK_FALSE(watch.has_heard({{"9"}, {etcd_entry("m/1", "", 6, 6)}, "1"}));  // one is gone
  CHECK_FALSE(watch.has_heard({{"9"}, {}}));
}

TEST_CASE("etcd watch: a store that was restored from a copy has other values at the same revisions", "[cluster]") {
  EtcdWatch watch("/epic/x/", "");
  static_cast<void>(watch.on_read({{"9"}, {etcd_entry("a", "1", 8, 8)}}));
  CHECK(as_text(watch.on_read({{"8"}, {etcd_entry("a", "2", 8, 8)}})) == Texts{"a=2"});
  CHECK(watch.revision() == 8);
}
