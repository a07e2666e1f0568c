// TorchScript modules that turn images into features. Each function returns null, or a message that the caller frees.

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>
#include <string>

#include "guarded.h"

using ablate::guarded;

namespace {

// What published extractors call the switch from class scores to features.
constexpr const char *kReturnFeatures = "return_features";

}  // namespace

extern "C" {

// A module from the bytes of its file, on a device such as "cpu" or "cuda:0", in evaluation mode.
char *ablate_module_load(torch::jit::Module **out, const char *bytes, size_t length, const char *device) {
  return guarded([&] {
    std::istringstream stream(std::string(bytes, length));
    torch::jit::Module module = torch::jit::load(stream, c10::Device(device));
    module.eval();
    *out = new torch::jit::Module(std::move(module));
  });
}

// forward(images), with return_features=True where the module has an argument of that name.
char *ablate_module_features(at::Tensor **out, const torch::jit::Module *module, const at::Tensor *images) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    // Fusing changes bits from the second call on, and the first batch must count like every other.
    torch::jit::GraphOptimizerEnabledGuard as_written(false);
    const torch::jit::Method forward = module->get_method("forward");
    std::unordered_map<std::string, c10::IValue> named;
    if (forward.function().getSchema().argumentIndexWithName(kReturnFeatures).has_value()) {
      named.emplace(kReturnFeatures, true);
    }
    const c10::IValue features = forward({*images}, named);
    TORCH_CHECK(features.isTensor(), "forward gives ", features.tagKind(), " where one tensor of features is wanted");
    *out = new at::Tensor(features.toTensor());
  });
}

void ablate_module_free(torch::jit::Module *module) { delete module; }
}
