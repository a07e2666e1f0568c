//! Names of tensors: what early versions of diffusers called the parts of an attention block.

/// Early name of a layer, and its present one.
const RENAMED: [(&str, &str); 4] =
    [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")];

/// The present name of a tensor.
pub(super) fn current(name: &str) -> String {
    let Some((layer, part)) = name.rsplit_once('.') else { return name.to_owned() };
    let Some((block, layer)) = layer.rsplit_once('.') else { return name.to_owned() };
    // Elsewhere these words would mean something else.
    let in_attention = block.rsplit_once('.').is_some_and(|(parent, _)| parent.ends_with("attentions"));
    match RENAMED.iter().find(|(early, _)| in_attention && *early == layer) {
        Some((_, now)) => format!("{block}.{now}.{part}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_names_of_attention_become_present_ones_and_others_stay() {
        for (early, now) in [
            ("mid_block.attentions.0.query.weight", "mid_block.attentions.0.to_q.weight"),
            ("down_blocks.1.attentions.1.key.bias", "down_blocks.1.attentions.1.to_k.bias"),
            ("up_blocks.0.attentions.2.value.weight", "up_blocks.0.attentions.2.to_v.weight"),
            ("mid_block.attentions.0.proj_attn.bias", "mid_block.attentions.0.to_out.0.bias"),
        ] {
            assert_eq!(current(early), now);
        }
        for name in [
            "mid_block.attentions.0.to_out.0.bias",
            "conv_in.weight",
            "query.weight",
            "x",
            "a.query.0.weight",
        ] {
            assert_eq!(current(name), name);
        }
    }
}
