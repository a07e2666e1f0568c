//! Tests of tensors on their way in: names, shapes, number formats, damage.

use std::fs;

use safetensors::tensor::TensorView;

use super::*;
use crate::rundir::weights;

/// A file of tensors: name, format, shape, bytes.
fn file(folder: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> PathBuf {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    let path = folder.join("in.safetensors");
    fs::write(&path, safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
    path
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn shorts(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[test]
fn sixteen_bits_become_the_same_numbers_in_thirty_two() {
    for (bits, number) in [
        (0x0000, 0.0),
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (0x0400, 2.0_f32.powi(-14)),
        (0x0001, 2.0_f32.powi(-24)),
        (0x83ff, -1023.0 * 2.0_f32.powi(-24)),
        (0x3555, 0.333_251_95),
        (0x7c00, f32::INFINITY),
    ] {
        assert_eq!(half(bits), number, "{bits:#x}");
    }
    assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        &[
            ("b.half", Dtype::F16, &[2], shorts(&[0x3c00, 0xc000])),
            ("c.brain", Dtype::BF16, &[2], shorts(&[0x3f80, 0xc040])),
            ("a.full", Dtype::F32, &[1, 2], floats(&[0.1, -0.0])),
        ],
    );
    let network = [("c.brain", vec![2]), ("a.full", vec![1, 2]), ("b.half", vec![2])];
    let network: Vec<_> = network.map(|(name, shape)| (name.to_owned(), shape)).into();
    let stored = Stored::open(&path).unwrap();
    let out = folder.path().join("out.safetensors");
    let hash = stored.write(&stored.find(&network).unwrap(), &out).unwrap();
    let bytes = fs::read(&out).unwrap();
    assert_eq!(hash, blake3::hash(&bytes).to_hex().to_string());
    assert!(bytes.ends_with(&floats(&[0.1, -0.0, 1.0, -2.0, 1.0, -3.0])));
    weights::check_file(&out, &network).unwrap();
}

#[test]
fn early_names_are_found_and_two_names_of_one_tensor_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let early = "mid_block.attentions.0.query.weight";
    let now = "mid_block.attentions.0.to_q.weight";
    let network = [(now.to_owned(), vec![1, 1])];
    let path = file(folder.path(), &[(early, Dtype::F32, &[1, 1], floats(&[5.0]))]);
    let stored = Stored::open(&path).unwrap();
    assert_eq!(stored.find(&network).unwrap()[0].name, now);
    let tensors =
        [(early, Dtype::F32, &[1, 1][..], floats(&[5.0])), (now, Dtype::F32, &[1, 1], floats(&[6.0]))];
    let both = file(folder.path(), &tensors);
    let text = Stored::open(&both).unwrap().find(&network).unwrap_err().to_string();
    assert!(
        text.contains(&format!("no part of the network: {now} (which is {early} under another name)")),
        "{text}"
    );
}

#[test]
fn every_tensor_that_does_not_fit_is_named_and_the_list_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        &[
            ("shape", Dtype::F32, &[2], floats(&[1.0, 2.0])),
            ("format", Dtype::F64, &[1], vec![0; 8]),
            ("extra\u{1b}[2J", Dtype::F32, &[1], floats(&[1.0])),
        ],
    );
    let missing = (0..25).map(|i| (format!("missing.{i:02}"), vec![1]));
    let network: Vec<_> = [("shape".to_owned(), vec![1, 2]), ("format".to_owned(), vec![1])]
        .into_iter()
        .chain(missing)
        .collect();
    let text = Stored::open(&path).unwrap().find(&network).unwrap_err().to_string();
    let text = text.replace(&path.display().to_string(), "FILE");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(
        lines[0].starts_with("error: FILE lacks tensors of the network: missing.00, missing.01"),
        "{text}"
    );
    assert!(lines[0].ends_with("missing.09 and 15 more"), "{text}");
    assert_eq!(lines[1], "error: FILE has tensors that are no part of the network: extra\\u{1b}[2J");
    assert_eq!(lines[2], "error: FILE has tensors of another shape: shape [2], not [1, 2]");
    assert!(lines[3].ends_with("(f32, f16 and bf16 can): format F64"), "{text}");
}

#[test]
fn numbers_that_are_none_are_refused_with_their_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let network = [("a".to_owned(), vec![2])];
    for (dtype, bytes) in [
        (Dtype::F32, floats(&[1.0, f32::NAN])),
        (Dtype::F16, shorts(&[0x3c00, 0x7c00])),
        (Dtype::BF16, shorts(&[0x7f80, 0])),
    ] {
        let path = file(folder.path(), &[("a", dtype, &[2], bytes)]);
        let stored = Stored::open(&path).unwrap();
        let out = folder.path().join(format!("{dtype:?}"));
        let text = stored.write(&stored.find(&network).unwrap(), &out).unwrap_err().to_string();
        assert!(text.ends_with("cannot be used: tensor a holds numbers that are not finite"), "{text}");
    }
}

#[test]
fn a_file_that_is_cut_or_lies_about_itself_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[("a", Dtype::F32, &[2], floats(&[1.0, 2.0]))]);
    let whole = fs::read(&path).unwrap();
    let refusal = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Stored::open(&path).unwrap_err().to_string()
    };
    for cut in [0, 7, 8, 20, whole.len() - 1] {
        refusal(&whole[..cut]);
    }
    refusal(&[&whole[..], b"more"].concat());
    refusal(&[&u64::MAX.to_le_bytes()[..], &whole[8..]].concat());
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &[0; 8]].concat();
    for lie in [
        r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    ] {
        let text = refusal(&header(lie));
        assert!(text.contains("is not a readable safetensors file"), "{text}");
    }
    let pickle = refusal(b"PK\x03\x04 and so on, as PyTorch writes");
    assert!(pickle.contains("is a pickle"), "{pickle}");
}

#[test]
fn zeros_are_written_in_the_length_that_their_shapes_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros");
    let tensors = vec![("first.a".to_owned(), vec![3, 2]), ("second.a".to_owned(), vec![3, 2])];
    write_zeros(&tensors, &path).unwrap();
    weights::check_file(&path, &tensors).unwrap();
    assert!(fs::read(&path).unwrap().ends_with(&[0; 48]));
}
