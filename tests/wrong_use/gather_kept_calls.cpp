// says: each call is made once: write gather(std::move(calls))
#include <epic/epic.hpp>

class Shop : public epic::Entity {
 public:
  epic::Task<int> count_stock() const { co_return 1; }
  EPIC_ENTITY(Shop, methods(count_stock))
};
epic::Task<> use(epic::Ref<Shop> shop) {
  std::vector<epic::Call<int>> calls;
  calls.push_back(shop->count_stock());
  co_await epic::gather(calls);
}
