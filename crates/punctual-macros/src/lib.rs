//! The `#[punctual::job]` attribute; see the `punctual` crate, which re-exports and documents it.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemFn, LitStr, Pat, PathArguments, ReturnType, Token, Type};

/// Makes a job out of an `async fn`; documented at `punctual::job`.
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as Arguments);
    let function = syn::parse_macro_input!(item as ItemFn);
    expand(arguments, &function).unwrap_or_else(Error::into_compile_error).into()
}

struct Arguments {
    kind: Option<LitStr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut kind = None;
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            if name != "kind" {
                return Err(Error::new(name.span(), "unknown argument: the only one is `kind = \"...\"`"));
            }
            input.parse::<Token![=]>()?;
            kind = Some(input.parse()?);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(Self { kind })
    }
}

/// What a parameter of the function receives.
enum Role {
    Data,
    Context,
    State(Box<Type>),
}

/// Sorts a parameter by its type: `JobContext` is the context, `State<T>` is injected, any other is the data.
fn role(ty: &Type) -> syn::Result<Role> {
    let Type::Path(path) = ty else { return Ok(Role::Data) };
    let Some(last) = path.path.segments.last() else { return Ok(Role::Data) };
    if last.ident == "JobContext" {
        return Ok(Role::Context);
    }
    if last.ident != "State" {
        return Ok(Role::Data);
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return Err(Error::new(ty.span(), "`State` needs the type of what is injected: `State<T>`"));
    };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(inner)) => Ok(Role::State(Box::new(inner.clone()))),
        _ => Err(Error::new(ty.span(), "`State` needs the type of what is injected: `State<T>`")),
    }
}

fn expand(arguments: Arguments, function: &ItemFn) -> syn::Result<Tokens> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(signature.fn_token.span, "a job is an `async fn`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(
            signature.generics.span(),
            "a job cannot be generic: its kind names one function",
        ));
    }
    let name = &signature.ident;
    let kind = arguments.kind.unwrap_or_else(|| LitStr::new(&name.to_string(), name.span()));
    let mut data: Option<Type> = None;
    let (mut fields, mut parameters, mut inits, mut passed) = (vec![], vec![], vec![], vec![]);
    for (position, input) in signature.inputs.iter().enumerate() {
        let FnArg::Typed(typed) = input else {
            return Err(Error::new(input.span(), "a job is a free function: it cannot take `self`"));
        };
        match role(&typed.ty)? {
            Role::Context => passed.push(quote!(context)),
            Role::State(inner) => {
                let field = match &*typed.pat {
                    Pat::Ident(pattern) => pattern.ident.clone(),
                    other => Ident::new(&format!("state_{position}"), other.span()),
                };
                fields.push(quote!(#field: #inner));
                parameters.push(quote!(#field: #inner));
                passed.push(quote!(::punctual::State(::core::clone::Clone::clone(&self.#field))));
                inits.push(field);
            }
            Role::Data if data.is_some() => {
                return Err(Error::new(
                    typed.ty.span(),
                    "a job takes one value of data: put both in one struct",
                ));
            }
            Role::Data => {
                data = Some((*typed.ty).clone());
                passed.push(quote!(data));
            }
        }
    }
    let data = data.map_or_else(|| quote!(()), |ty| quote!(#ty));
    let (visibility, attributes, inputs, block) =
        (&function.vis, &function.attrs, &signature.inputs, &function.block);
    let output = match &signature.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    Ok(quote! {
        #(#attributes)*
        #[allow(non_camel_case_types)]
        #[derive(Clone)]
        #visibility struct #name { #(#fields),* }

        impl #name {
            /// The job with what it is injected with.
            #[allow(clippy::new_without_default)]
            #visibility fn new(#(#parameters),*) -> Self {
                Self { #(#inits),* }
            }

            /// A definition of this job under a key, with its data.
            #visibility fn detail(
                key: impl ::core::convert::Into<::punctual::JobKey>,
                data: &#data,
            ) -> ::core::result::Result<::punctual::JobDetail, ::punctual::DataError> {
                let data = ::punctual::Data::from_serialize(data)?;
                ::core::result::Result::Ok(::punctual::JobDetail::new(key, #kind).data(data))
            }

            async fn call(#inputs) -> #output #block
        }

        impl ::punctual::Job for #name {
            const KIND: &'static str = #kind;
            type Data = #data;

            async fn run(&self, context: ::punctual::JobContext<Self::Data>) -> ::punctual::JobResult {
                #[allow(unused_variables)]
                let (data, context) = context.take_data();
                ::punctual::IntoJobResult::into_job_result(Self::call(#(#passed),*).await)
            }
        }

        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(::core::concat!("job ", #kind))
            }
        }
    })
}
