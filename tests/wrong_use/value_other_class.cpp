// says: otherwise copy what it contains into such a struct, a std::vector or a std::string
#include <complex>
#include <epic/epic.hpp>

class Wave : public epic::Entity {
  std::complex<double> value_;

 public:
  EPIC_ENTITY(Wave, state(value_))
};
EPIC_MODULE(epic::no_setup, Wave)
