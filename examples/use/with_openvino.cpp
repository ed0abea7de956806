// Runs an exported OpenVINO engine on a tensor of zeros and prints the shape of what comes out:
//   g++ -std=c++17 with_openvino.cpp -lopenvino -o with_openvino && ./with_openvino best/best_openvino_model/engine.xml
#include <openvino/openvino.hpp>

#include <algorithm>
#include <iostream>

int main(int, char** arguments) {
    ov::Core core;
    auto engine = core.compile_model(arguments[1], "CPU",  // as it was measured: engine.threads, engine.float_type
        ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY), ov::num_streams(1),
        ov::inference_num_threads(2), ov::hint::inference_precision(ov::element::f32));
    auto request = engine.create_infer_request();

    ov::Tensor image = request.get_input_tensor();  // [1, 3, height, width], float, RGB, 0..1, letterboxed with grey 114
    std::fill_n(image.data<float>(), image.get_size(), 114.0f / 255.0f);
    request.infer();

    ov::Tensor boxes = request.get_output_tensor(0);  // YOLOv8, 11: [1, 4 + classes, boxes], before NMS
    std::cout << boxes.get_shape() << std::endl;
}
