//! A body of each shape. `usage` is: input, cached, written, written for 12 hours, output, reasoning; id, model, tier.

use crate::usage::{ResponseForm, StreamEnd};

#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) form: ResponseForm,
    pub(super) body: &'static str,
    pub(super) usage: &'static str,
    pub(super) end: Option<StreamEnd>,
}

const fn json(name: &'static str, body: &'static str, usage: &'static str) -> Sample {
    Sample { name, form: ResponseForm::Json, body, usage, end: None }
}

const fn stream(name: &'static str, end: Option<StreamEnd>, body: &'static str, usage: &'static str) -> Sample {
    Sample { name, form: ResponseForm::EventStream, body, usage, end }
}

const DONE: Option<StreamEnd> = Some(StreamEnd::Done);

pub(super) const SAMPLES: [Sample; 37] = [
    json(
        "chat completion",
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":1764000000,"model":"gpt-5-mini-2025-08-07","choices":[{"index":0,"message":{"role":"assistant","content":"\"usage\":{\"prompt_tokens\":1}","tool_calls":[{"function":{"name":"f","arguments":"{\"usage\":{\"prompt_tokens\":9}}"}}]},"logprobs":{"content":[{"token":"usage","bytes":[1,2]}]}}],"usage":{"prompt_tokens":1234,"completion_tokens":567,"total_tokens":1801,"prompt_tokens_details":{"cached_tokens":1024,"cache_write_tokens":100,"audio_tokens":0,"text_tokens":1234,"image_tokens":7},"completion_tokens_details":{"reasoning_tokens":320,"audio_tokens":2,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":null}"#,
        "1234 1024 100 0 567 320, audio [0, 0, 2], images [7, 0, 0] | chatcmpl-1 gpt-5-mini-2025-08-07 default",
    ),
    json(
        "indented",
        "{\n  \"id\" : \"c\",\r\n  \"usage\" : {\n\t\"prompt_tokens\" : 3 ,\n \"completion_tokens\" : 4\n }\n}\n",
        "3 0 0 0 4 0 | c - -",
    ),
    json(
        "usage before the rest",
        r#"{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"metadata":{"usage":{"prompt_tokens":9}},"model":"m","error":null}"#,
        "1 0 0 0 2 0 | - m -",
    ),
    json(
        "legacy completion",
        r#"{"id":"cmpl-1","object":"text_completion","model":"gpt-3.5-turbo-instruct","choices":[{"text":"x"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#,
        "5 0 0 0 7 0 | cmpl-1 gpt-3.5-turbo-instruct -",
    ),
    json(
        "xAI: reasoning beside the output",
        r#"{"id":"x","model":"grok-4","choices":[],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,"audio_tokens":0,"image_tokens":0,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94,"audio_tokens":0},"num_sources_used":0}}"#,
        "32 6 0 0 103 94 | x grok-4 -",
    ),
    json(
        "DeepSeek",
        r#"{"id":"d","model":"deepseek-chat","usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}}"#,
        "100 64 0 0 10 0 | d deepseek-chat -",
    ),
    json(
        "Mistral",
        r#"{"id":"m1","object":"chat.completion","model":"mistral-small-latest","usage":{"prompt_tokens":16,"completion_tokens":34,"total_tokens":50,"prompt_audio_seconds":{},"prompt_tokens_details":null},"choices":[]}"#,
        "16 0 0 0 34 0 | m1 mistral-small-latest -",
    ),
    json(
        "OpenRouter",
        r#"{"id":"gen-1","provider":"X","model":"openai/gpt-5","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"cost":0.00014,"is_byok":false,"cost_details":{"upstream_inference_cost":null}}}"#,
        "10 0 0 0 2 0, $0.00014 | gen-1 openai/gpt-5 -",
    ),
    json(
        "Groq",
        r#"{"id":"g","model":"llama","choices":[],"usage":{"queue_time":0.03,"prompt_tokens":24,"prompt_time":0.1,"completion_tokens":8,"completion_time":1e-3,"total_tokens":32},"x_groq":{"id":"req_1"}}"#,
        "24 0 0 0 8 0 | g llama -",
    ),
    json(
        "Anthropic",
        r#"{"id":"msg_1","type":"message","model":"claude","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":10,"cache_creation_input_tokens":20,"cache_read_input_tokens":30,"output_tokens":5,"service_tier":"standard"}}"#,
        "60 30 20 0 5 0 | msg_1 claude -",
    ),
    json(
        "response",
        r#"{"id":"resp_1","object":"response","status":"completed","model":"gpt-6.1-sol","service_tier":"flex","output":[{"type":"web_search_call","action":{"type":"search"}},{"type":"web_search_call","action":{"type":"open_page"}},{"action":{"type":"search","query":"x"},"type":"web_search_call"},{"type":"file_search_call"},{"type":"code_interpreter_call","container_id":"a"},{"type":"code_interpreter_call","container_id":"a"},{"type":"code_interpreter_call","container_id":"b"},{"type":"function_call","arguments":"{}"},{"type":"message","content":[{"type":"web_search_call"}]}],"tools":[{"type":"function","name":"f","parameters":{"usage":{"input_tokens":1},"type":"image_generation","model":"no"}},{"type":"image_generation","model":"gpt-image-2"},{"type":"file_search_call"},{"type":"code_interpreter_call"}],"tool_usage":{"image_gen":{"input_tokens":50,"input_tokens_details":{"image_tokens":0,"text_tokens":50},"output_tokens":100,"total_tokens":150},"web_search":{"num_requests":3}},"usage":{"input_tokens":1234,"input_tokens_details":{"cached_tokens":1024,"cache_write_tokens":100,"cache_write_tokens_details":{"ttl_30m_tokens":60,"ttl_12h_tokens":40}},"output_tokens":567,"output_tokens_details":{"reasoning_tokens":320},"total_tokens":1801},"user":null,"metadata":{"usage":"{\"input_tokens\":1}"}}"#,
        "1234 1024 100 40 567 320, tools [3, 1, 2], pictures Some(150) gpt-image-2 | resp_1 gpt-6.1-sol flex",
    ),
    json(
        "pictures without tokens",
        r#"{"id":"r","model":"m","output":[{"type":"image_generation_call"}],"tool_usage":{"image_gen":{"input_tokens":0,"output_tokens":0,"total_tokens":0}},"usage":{"input_tokens":1,"output_tokens":2}}"#,
        "1 0 0 0 2 0, pictures None ? | r m -",
    ),
    json(
        "response in the background",
        r#"{"id":"resp_2","object":"response","status":"queued","model":"gpt-5","usage":null}"#,
        "none",
    ),
    json(
        "compaction",
        r#"{"id":"resp_3","object":"response.compaction","output":[],"usage":{"input_tokens":139,"input_tokens_details":{"cached_tokens":0},"output_tokens":438,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":577}}"#,
        "139 0 0 0 438 64 | resp_3 - -",
    ),
    json(
        "embeddings",
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023064255,-0.009327292,1e-7,-0]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
        "8 0 0 0 0 0 | - text-embedding-3-small -",
    ),
    json(
        "reranking",
        r#"{"id":"score-1","model":"bge","usage":{"total_tokens":56},"results":[]}"#,
        "56 0 0 0 0 0 | score-1 bge -",
    ),
    json("moderations", r#"{"id":"modr-1","model":"omni-moderation-latest","results":[{"flagged":false}]}"#, "none"),
    json(
        "images",
        r#"{"created":1,"data":[{"b64_json":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}],"svg_usage":{"model":"gpt-6.1-sol","input_tokens":5,"output_tokens":6,"reasoning_tokens":1,"total_tokens":11},"usage":{"input_tokens":50,"input_tokens_details":{"image_tokens":10,"text_tokens":40},"output_tokens":4160,"output_tokens_details":{"image_tokens":4160,"text_tokens":0},"total_tokens":4210}}"#,
        "50 0 0 0 4160 0, images [10, 0, 4160], svg 11 gpt-6.1-sol | - - -",
    ),
    json(
        "transcription",
        r#"{"text":"Hi \"usage\":{}","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#,
        "14 0 0 0 45 0, audio [14, 0, 0] | - - -",
    ),
    json(
        "transcription by duration",
        r#"{"text":"Hi","usage":{"type":"duration","seconds":9.5}}"#,
        "0 0 0 0 0 0, 9500 ms | - - -",
    ),
    json(
        "verbose translation",
        r#"{"task":"translate","language":"english","duration":8.470000267028809,"text":"Hi","segments":[{"tokens":[1,2],"temperature":0.0}]}"#,
        "0 0 0 0 0 0, 8471 ms | - - -",
    ),
    json("duration of something else", r#"{"duration":8.5,"usage":null}"#, "none"),
    json(
        "error",
        r#"{"error":{"message":"usage","type":"invalid_request_error","usage":{"prompt_tokens":1}}}"#,
        "none",
    ),
    stream(
        "chat stream",
        DONE,
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-5-mini\",\"service_tier\":\"auto\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}],\"usage\":null}\n\ndata: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-5-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"usage\\\":{ usage\\\": 1\"}}],\"usage\":null}\n\ndata: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-5-mini\",\"service_tier\":\"default\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"total_tokens\":15},\"obfuscation\":\"gggg\"}\n\ndata: [DONE]\n\n",
        "12 0 0 0 3 0 | chatcmpl-1 gpt-5-mini default",
    ),
    stream(
        "chat stream without usage",
        DONE,
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{}],\"usage\":null}\n\ndata: [DONE]\n\n",
        "none",
    ),
    stream(
        "Azure",
        DONE,
        "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"id\":\"c\",\"model\":\"gpt-4o-2024-08-06\",\"usage\":null}\n\ndata: {\"choices\":[],\"id\":\"c\",\"model\":\"gpt-4o-2024-08-06\",\"usage\":{\"completion_tokens\":3,\"prompt_tokens\":12,\"total_tokens\":15}}\n\ndata: [DONE]\n\n",
        "12 0 0 0 3 0 | c gpt-4o-2024-08-06 -",
    ),
    stream(
        "vLLM: usage until now",
        DONE,
        "data: {\"id\":\"v\",\"model\":\"llama\",\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9,\"completion_tokens\":0}}\n\ndata: {\"id\":\"v\",\"model\":\"llama\",\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":10,\"completion_tokens\":1}}\n\ndata: {\"id\":\"v\",\"model\":\"llama\",\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":11,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
        "9 0 0 0 2 0 | v llama -",
    ),
    stream(
        "vLLM: usage until now, cut",
        None,
        "data: {\"id\":\"v\",\"model\":\"llama\",\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9,\"completion_tokens\":0}}\n\ndata: {\"id\":\"v\",\"model\":\"llama\",\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":10,\"completion_tokens\":1}}\n\n",
        "none",
    ),
    stream(
        "Groq stream",
        DONE,
        "data: {\"id\":\"g\",\"model\":\"llama\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}],\"x_groq\":{\"id\":\"req_1\"}}\n\ndata: {\"id\":\"g\",\"model\":\"llama\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"req_1\",\"usage\":{\"queue_time\":0.03,\"prompt_tokens\":24,\"completion_tokens\":8,\"total_tokens\":32}}}\n\ndata: [DONE]\n\n",
        "24 0 0 0 8 0 | g llama -",
    ),
    stream(
        "Groq stream with both",
        DONE,
        "data: {\"id\":\"g\",\"model\":\"llama\",\"choices\":[],\"usage\":{\"prompt_tokens\":24,\"completion_tokens\":8},\"x_groq\":{\"usage\":{\"prompt_tokens\":24,\"completion_tokens\":8}}}\n\ndata: [DONE]\n\n",
        "24 0 0 0 8 0 | g llama -",
    ),
    stream(
        "OpenRouter stream",
        DONE,
        ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\ndata: {\"id\":\"gen-1\",\"model\":\"openai/gpt-5\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"id\":\"gen-1\",\"model\":\"openai/gpt-5\",\"choices\":[{\"delta\":{\"content\":\"\"}}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"total_tokens\":12,\"cost\":1.4e-04}}\n\ndata: [DONE]\n\n",
        "10 0 0 0 2 0, $0.00014 | gen-1 openai/gpt-5 -",
    ),
    stream(
        "response stream",
        Some(StreamEnd::Completed),
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-6.1-sol\",\"service_tier\":\"auto\",\"tools\":[{\"type\":\"function\",\"parameters\":{\"usage\":{\"input_tokens\":7}}}],\"usage\":null}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"usage\"}\n\nevent: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"web_search_call\",\"usage\":{\"input_tokens\":7}}}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":9,\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-6.1-sol\",\"service_tier\":\"default\",\"output\":[{\"type\":\"web_search_call\",\"action\":{\"type\":\"search\"}}],\"tools\":[{\"type\":\"function\",\"parameters\":{\"usage\":{\"input_tokens\":7}}}],\"usage\":{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":2},\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":1},\"total_tokens\":16},\"metadata\":{}}}\n\n",
        "11 2 0 0 5 1, tools [1, 0, 0] | resp_1 gpt-6.1-sol default",
    ),
    stream(
        "response stream, failed",
        Some(StreamEnd::Failed),
        "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5\",\"usage\":null}}\r\n\r\nevent: response.failed\r\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"error\":{\"code\":\"x\"},\"usage\":null}}\r\n\r\n",
        "none",
    ),
    stream(
        "response stream without names, incomplete",
        Some(StreamEnd::Incomplete),
        "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5\",\"usage\":null}}\n\ndata: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt-5\",\"usage\":{\"input_tokens\":11,\"output_tokens\":5,\"total_tokens\":16}}}\n\n",
        "11 0 0 0 5 0 | resp_1 gpt-5 -",
    ),
    stream(
        "pictures",
        None,
        "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"aa\"}\n\nevent: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"aaaa\",\"usage\":{\"input_tokens\":50,\"input_tokens_details\":{\"text_tokens\":40,\"image_tokens\":10},\"output_tokens\":100,\"total_tokens\":150}}\n\nevent: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"aaaa\",\"usage\":{\"input_tokens\":50,\"output_tokens\":200,\"total_tokens\":250}}\n\n",
        "100 0 0 0 300 0, images [10, 0, 0] | - - -",
    ),
    stream(
        "transcription stream",
        DONE,
        "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"Hi\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":14},\"output_tokens\":4,\"total_tokens\":18}}\n\ndata: [DONE]\n\n",
        "14 0 0 0 4 0, audio [14, 0, 0] | - - -",
    ),
    stream(
        "Anthropic stream",
        Some(StreamEnd::Completed),
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"content\":[],\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":30,\"output_tokens\":1}}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        "40 30 0 0 15 0 | msg_1 claude -",
    ),
];
